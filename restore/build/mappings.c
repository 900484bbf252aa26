/* Builds the program's mappings, empty where page data will come, and gives them their last protection. */
#include <asm/errno.h>
#include <asm/resource.h>
#include <assert.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/prctl.h>

#include "restore/base/limits.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/build/inherited.h"
#include "restore/build/parts.h"
#include "restore/loader.h"
#include "restore/look/vdso.h"
#include "restore/zone.h"

static_assert(SNAPIMG_PROT_READ == PROT_READ && SNAPIMG_PROT_WRITE == PROT_WRITE &&
                      SNAPIMG_PROT_EXEC == PROT_EXEC,
              "the image has Linux's protection bits");

/* The advice numbers by bit; LOCKED has none, it waits for the pages. */
static const uint8_t advice_numbers[] = {
#define X(name, bit, letters, advice) [bit] = (advice),
        SNAPIMG_ADVICE(X)
#undef X
};

/* A file stays open while mappings of it follow each other. */
struct open_file {
	uint32_t index, flags;
	int descriptor; /* -1: none */
};

static void close_file(struct open_file *file)
{
	parts_complete();
	if (file->descriptor >= 0)
		sys(__NR_close, file->descriptor);
	file->descriptor = -1;
}

uint32_t mapping_file_flags(const struct snapimg_mapping *mapping)
{
	bool is_writable = (mapping->protection & PROT_WRITE) != 0;
	bool writes_file = ((mapping->flags & SNAPIMG_MAP_SHARED) != 0 && is_writable) ||
	                   (mapping->flags & SNAPIMG_MAP_MAY_WRITE) != 0;
	return writes_file ? O_RDWR : O_RDONLY;
}

static int descriptor_for(struct open_file *file, const struct snapimg_mapping *mapping)
{
	uint32_t flags = mapping_file_flags(mapping);
	uint32_t index = mapping->file - 1;
	if (file->descriptor < 0 || file->index != index || file->flags != flags) {
		close_file(file);
		*file = (struct open_file){
		        .index = index, .flags = flags, .descriptor = file_open(index, flags)};
	}
	return file->descriptor;
}

static const char *mapping_name(const struct snapimg_mapping *mapping)
{
	const char *name = snapimg_string(&loader.image, mapping->name);
	return *name != '\0' ? name : "anonymous memory";
}

_Noreturn void mapping_die(const struct snapimg_mapping *mapping, const char *what, long result)
{
	die(EXIT_REFUSED, mapping_name(mapping), ": cannot ", what, " ", dec(mapping->end - mapping->start),
	    " bytes at ", hex(mapping->start), ": ", error_text(result));
}

/* The pieces of one mapping. */
struct pieces {
	const struct snapimg_piece *first, *end;
};

/* Mappings and pieces are both sorted: *next moves past those of this mapping. */
static struct pieces take_pieces(uint32_t index, const struct snapimg_piece **next)
{
	const struct snapimg_piece *end =
	        snapimg_get_piece(&loader.image) + snapimg_piece_count(&loader.image);
	struct pieces pieces = {.first = *next};
	while (*next < end && (*next)->mapping == index)
		(*next)++;
	pieces.end = *next;
	return pieces;
}

/* Pages come by writing; else all of them are there once it is mapped. */
static bool is_copied_to(const struct snapimg_mapping *mapping, struct pieces pieces)
{
	uint32_t left = mapping->run_count;
	for (const struct snapimg_piece *piece = pieces.first; piece < pieces.end; piece++)
		left -= piece->run_count;
	return left > 0 || inherited_has(mapping);
}

enum { MSEAL = 462 }; /* __NR_mseal, Linux 6.10 */

/* What an EMBEDDED mapping has without a piece lies in a file of this start's own, so that memory which the
 * program gives back (MADV_DONTNEED) shows it again. It is written through a shared view, which becomes the
 * program's private one in mappings_settle(). */
static struct {
	int descriptor; /* -1: not made yet */
	uint64_t used;
	bool is_filled;
} content = {.descriptor = -1};

static struct source take_content(const struct snapimg_mapping *mapping, struct range range)
{
	struct source source = {.flags = content.is_filled ? MAP_PRIVATE : MAP_SHARED,
	                        .offset = content.used};
	content.used += range.end - range.start;
	if (!content.is_filled) {
		long made = content.descriptor >= 0 ? content.descriptor
		                                    : sys(__NR_memfd_create, "embedded", MFD_CLOEXEC);
		long result = made < 0 ? made
		              : content.used > limit_raise(RLIMIT_FSIZE)
		                      ? -EFBIG
		                      : sys(__NR_ftruncate, made, content.used);
		if (result < 0)
			mapping_die(mapping, "make a file for", result);
		content.descriptor = (int)made;
	}
	source.descriptor = content.descriptor;
	return source;
}

int mappings_content(void)
{
	return content.descriptor;
}

/* The mapping itself, unless pieces cover it from its start or up to its end, and over it the others. */
static void map(const struct snapimg_mapping *mapping, struct open_file *file, struct pieces pieces)
{
	struct range rest = {mapping->start, mapping->end};
	const struct snapimg_piece *first = pieces.first, *last = pieces.end;
	for (; first < last && first->start == rest.start; first++)
		rest.start = first->end;
	for (; first < last && last[-1].end == rest.end; last--)
		rest.end = last[-1].start;
	bool is_file = mapping->kind == SNAPIMG_MAPPING_FILE &&
	               ((mapping->flags & SNAPIMG_MAP_EMBEDDED) == 0 || loader.maps_files),
	     is_stack = mapping->kind == SNAPIMG_MAPPING_STACK;
	struct source source = {
	        .descriptor = -1,
	        .flags = (is_file ? 0u : MAP_ANONYMOUS) | (is_stack ? MAP_GROWSDOWN : 0u),
	        .offset = mapping->offset + (rest.start - mapping->start),
	};
	if (rest.start < rest.end) {
		bool is_copied = is_copied_to(mapping, pieces);
		if (is_file)
			source.descriptor = descriptor_for(file, mapping);
		else if (is_copied && (mapping->flags & SNAPIMG_MAP_EMBEDDED) != 0)
			source = take_content(mapping, rest);
		part_map(&(struct part){
		        .mapping = mapping,
		        .range = rest,
		        .protection =
		                mapping->protection | (is_copied && !content.is_filled ? PROT_WRITE : 0),
		        .source = source,
		});
	}
	for (const struct snapimg_piece *piece = pieces.first; piece < pieces.end; piece++)
		part_map(&(struct part){
		        .mapping = mapping,
		        .piece = piece,
		        .range = {piece->start, piece->end},
		        .protection = mapping->protection,
		        .source = {.descriptor = loader.image_descriptor,
		                   .offset = loader.image_offset + piece->offset},
		});
}

/* "[anon:NAME]" is what prctl(PR_SET_VMA) made of NAME. Kernels without it show no name; nothing depends on
 * it. */
static void name_mapping(const struct snapimg_mapping *mapping)
{
	enum { NAME_MAX_SIZE = 80 }; /* ANON_VMA_NAME_MAX_LEN in the kernel's mm */
	const char *shown = snapimg_string(&loader.image, mapping->name);
	const char *name = text_after(shown, "[anon:");
	if (name == NULL)
		name = text_after(shown, "[anon_shmem:");
	if (name == NULL)
		return;
	parts_complete();
	char copy[NAME_MAX_SIZE];
	size_t length = strlen(name);
	if (length < 1 || length > NAME_MAX_SIZE || name[length - 1] != ']')
		return;
	memcpy(copy, name, length);
	copy[length - 1] = '\0';
	sys(__NR_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, mapping->start, mapping->end - mapping->start,
	    copy);
}

static void advise(const struct snapimg_mapping *mapping)
{
	parts_complete();
	for (uint32_t bit = 0; bit < sizeof advice_numbers; bit++) {
		if ((mapping->advice & (1u << bit)) == 0 || advice_numbers[bit] == 0)
			continue;
		long result =
		        sys(__NR_madvise, mapping->start, mapping->end - mapping->start, advice_numbers[bit]);
		/* EINVAL: a kernel built without KSM or huge pages, where the advice means nothing. */
		if (result < 0 && result != -EINVAL)
			die(EXIT_REFUSED, mapping_name(mapping), ": cannot advise the memory at ",
			    hex(mapping->start), ": ", error_text(result));
	}
}

/* What the program has in the zone, made when the loader goes (FORMAT.md, MAPPINGS). */
static bool is_reservation(const struct snapimg_mapping *mapping)
{
	return mapping->start == ZONE_START && mapping->end == ZONE_MEMORY &&
	       mapping->kind == SNAPIMG_MAPPING_ANONYMOUS && mapping->protection == 0 &&
	       mapping->advice == 0 && mapping->run_count == 0 && mapping->offset <= ZONE_END - ZONE_START &&
	       (mapping->flags & ~(uint32_t)SNAPIMG_MAP_NORESERVE) == 0;
}

void mapping_check(const struct snapimg_mapping *mapping)
{
	if (mapping->kind == SNAPIMG_MAPPING_MEMORY || is_reservation(mapping))
		return;
	if (mapping->start < ZONE_END && mapping->end > ZONE_START)
		die(EXIT_REFUSED, loader.options.image, ": has memory at ", hex(mapping->start),
		    ", where the loader lies: freeze the program again");
	if (mapping->start < USER_START)
		die(EXIT_REFUSED, loader.options.image, ": has memory at ", hex(mapping->start),
		    ", where the kernel allows none (vm.mmap_min_addr)");
}

void mappings_check(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		mapping_check(&mapping[i]);
}

/* Every mapping that this process still has: the kernel's first stack, mostly. What is kept lies in three
 * ranges. */
static void unmap_rest(void)
{
	struct range kept[] = {
	        {ZONE_START, ZONE_END},
	        {loader.area.start, loader.area.start + loader.area.size},
	        vdso_kept(),
	};
	enum { KEPT = sizeof kept / sizeof kept[0] };
	uint64_t from = USER_START;
	for (unsigned done = 0; done < KEPT; done++) {
		struct range *lowest = &kept[done];
		for (unsigned i = done + 1; i < KEPT; i++)
			if (kept[i].start < lowest->start)
				lowest = &kept[i];
		struct range next = *lowest;
		*lowest = kept[done];
		if (next.start > from)
			sys(__NR_munmap, from, next.start - from);
		if (next.end > from)
			from = next.end;
	}
	sys(__NR_munmap, from, USER_END - from);
}

static bool has_rings(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if (mapping[i].kind == SNAPIMG_MAPPING_RING)
			return true;
	return false;
}

void mappings_build(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	const struct snapimg_piece *next_piece = snapimg_get_piece(&loader.image);
	struct open_file file = {.descriptor = -1};
	loader.maps_files = files_are_here();
	unmap_rest();
	vdso_map_again();
	if (has_rings()) /* few have, and to ask there costs two page faults */
		rings_make();
	shared_make();
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++) {
		if (mapping[i].kind == SNAPIMG_MAPPING_VVAR || mapping[i].kind == SNAPIMG_MAPPING_VDSO ||
		    mapping[i].kind == SNAPIMG_MAPPING_MEMORY)
			continue;
		if (is_reservation(&mapping[i])) {
			loader.reservation =
			        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			        ((mapping[i].flags & SNAPIMG_MAP_NORESERVE) != 0 ? (uint32_t)MAP_NORESERVE
			                                                         : 0);
			loader.reserved = mapping[i].offset != 0 ? mapping[i].offset : ZONE_END - ZONE_START;
			continue;
		}
		if (mapping[i].kind == SNAPIMG_MAPPING_VIEW)
			shared_map_view(&mapping[i]);
		else if (mapping[i].kind != SNAPIMG_MAPPING_RING)
			map(&mapping[i], &file, take_pieces(i, &next_piece));
		if (inherited_has(&mapping[i])) { /* over what may still wait to be mapped */
			parts_complete();
			inherited_map(&mapping[i]);
		}
		if (mapping[i].name != 0 &&
		    (mapping[i].kind == SNAPIMG_MAPPING_ANONYMOUS || mapping[i].kind == SNAPIMG_MAPPING_VIEW))
			name_mapping(&mapping[i]);
		if (mapping[i].advice != 0)
			advise(&mapping[i]);
	}
	close_file(&file);
	vdso_map();
}

void mappings_settle(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	const struct snapimg_piece *next_piece = snapimg_get_piece(&loader.image);
	struct open_file file = {.descriptor = -1};
	if (content.descriptor < 0)
		return;
	content.is_filled = true;
	content.used = 0;
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++) {
		struct pieces pieces = take_pieces(i, &next_piece);
		if ((mapping[i].flags & SNAPIMG_MAP_EMBEDDED) == 0 || !is_copied_to(&mapping[i], pieces))
			continue;
		map(&mapping[i], &file, pieces);
		if (mapping[i].advice != 0)
			advise(&mapping[i]);
	}
	close_file(&file);
	sys(__NR_close, content.descriptor);
}

/* ENOMEM also says that a locked page can't be had now (mlock(2)): past a file's end, or without access. */
static void lock(const struct snapimg_mapping *mapping)
{
	bool on_fault = (mapping->advice & SNAPIMG_ADVICE_LOCKED_ON_FAULT) != 0;
	bool may_lack_pages = mapping->protection == 0 || mapping->kind == SNAPIMG_MAPPING_FILE ||
	                      mapping->kind == SNAPIMG_MAPPING_VIEW;
	limit_raise(RLIMIT_MEMLOCK);
	long result =
	        sys(__NR_mlock2, mapping->start, mapping->end - mapping->start, on_fault ? MLOCK_ONFAULT : 0);
	if (result < 0 && !(result == -ENOMEM && may_lack_pages))
		die(EXIT_REFUSED, mapping_name(mapping), ": cannot lock the memory at ", hex(mapping->start),
		    ": ", error_text(result), ": raise ulimit -Hl");
}

/* Before anything is locked, for locked memory can't have them (mm/madvise.c). */
static void install_guards(void)
{
	enum { GUARD_INSTALL = 102 }; /* MADV_GUARD_INSTALL, Linux 6.13 */
	const struct snapimg_guard *guard = snapimg_get_guard(&loader.image);
	for (uint32_t i = 0; i < snapimg_guard_count(&loader.image); i++) {
		long result = sys(__NR_madvise, guard[i].address, guard[i].pages * SNAPIMG_PAGE_SIZE,
		                  GUARD_INSTALL);
		if (result < 0)
			die(EXIT_REFUSED, "guard pages at ", hex(guard[i].address),
			    ": cannot be made: ", error_text(result), ": this kernel may be too old (6.13)");
	}
}

/* Nothing of it can be changed any more, so it's the last. */
static void seal(const struct snapimg_mapping *mapping)
{
	long result = sys(MSEAL, mapping->start, mapping->end - mapping->start, 0);
	if (result < 0)
		warn(mapping_name(mapping), ": cannot be sealed here (mseal): ", error_text(result));
}

void mappings_protect(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	const struct snapimg_piece *next_piece = snapimg_get_piece(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++) {
		uint64_t size = mapping[i].end - mapping[i].start;
		long result = 0;
		if (is_copied_to(&mapping[i], take_pieces(i, &next_piece)) &&
		    (mapping[i].protection & PROT_WRITE) == 0)
			result = sys(__NR_mprotect, mapping[i].start, size, mapping[i].protection);
		if (result < 0)
			die(EXIT_REFUSED, mapping_name(&mapping[i]), ": cannot protect the memory at ",
			    hex(mapping[i].start), ": ", error_text(result));
	}
	install_guards();
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if ((mapping[i].advice & SNAPIMG_ADVICE_LOCKED) != 0)
			lock(&mapping[i]);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if ((mapping[i].flags & SNAPIMG_MAP_SEALED) != 0)
			seal(&mapping[i]);
}
