#include "tracer/capture/memory/mappings.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "format/base/array.h"
#include "tracer/capture/memory/vm_flags.h"
#include "tracer/capture/refuse.h"

bool is_aio_ring(const struct vma *vma)
{
	return strncmp(vma->name, "/[aio]", 6) == 0;
}

#define USER_END 0x7ffffffff000ull /* TASK_SIZE_MAX with four-level page tables */

enum status refuse_mapping(pid_t pid, const struct vma *vma, const char *what, const char *advice)
{
	return refuse(what, advice, "mapping %" PRIx64 "-%" PRIx64 "%s%s of process %d", vma->start, vma->end,
	              *vma->name ? " " : "", vma->name, pid);
}

/* VmFlags that are refused: X(letters, what, advice). Which there are, and what becomes of the others:
 * vm_flags.c. */
#define REFUSED_FLAGS(X)                                                                                     \
	X("ht", "huge pages (MAP_HUGETLB)", "use ordinary or transparent huge pages")                        \
	X("um", "memory watched by userfaultfd", "choose a point before it is registered")                   \
	X("uw", "memory watched by userfaultfd", "choose a point before it is registered")                   \
	X("ui", "memory watched by userfaultfd", "choose a point before it is registered")                   \
	X("ss", "a shadow stack", "start the program without it (GLIBC_TUNABLES=glibc.cpu.x86_shstk=off)")   \
	X("io", "memory of a device", "choose a point before it is mapped")                                  \
	X("pf", "memory of a device", "choose a point before it is mapped")                                  \
	X("sf", "memory of a device (MAP_SYNC)", "choose a point before it is mapped")

/* Shared mappings of something that is no file any more or never was: X(beginning of the name, what) */
#define REFUSED_SHARED(X)                                                                                    \
	X("anon_inode:[perf_event]", "a perf event buffer")                                                  \
	X("socket:", "a packet socket's buffer")                                                             \
	X("/dmabuf:", "a graphics buffer")                                                                   \
	X("/secretmem", "secret memory (memfd_secret)")                                                      \
	X("", "shared memory without a regular file")

/* What lies where the loader will from its beginning on, and can be made once that has gone, as it holds
 * nothing: the sanitizers map all that nobody may use, and V8's sandbox of a TiB may reach into it. */
static bool is_reservation(const struct vma *vma)
{
	bool advised = false;

#define X(name, bit, letters, number) advised = advised || vma_has(vma, letters);
	SNAPIMG_ADVICE(X)
#undef X
	return vma->start <= SNAPIMG_LOADER_START && vma->end > SNAPIMG_LOADER_START && !vma->shared &&
	       vma->protection == 0 && !*vma->name && vma->rss + vma->swap == 0 && !advised;
}

static enum status refuse_by_flags(pid_t pid, const struct vma *vma)
{
#define X(letters, what, advice)                                                                             \
	if (vma_has(vma, letters))                                                                           \
		return refuse_mapping(pid, vma, what, advice);
	REFUSED_FLAGS(X)
#undef X
	if (vma->protection_key != 0)
		return refuse_mapping(pid, vma, "memory with a protection key (pkey_mprotect)",
		                      "choose a point before it is set");
	if (vma->start < SNAPIMG_LOADER_END && vma->end > SNAPIMG_LOADER_START && !is_reservation(vma))
		return refuse_mapping(pid, vma, "memory at an address the loader needs", "map it elsewhere");
	if (vma->start < SNAPIMG_USER_START)
		return refuse_mapping(pid, vma,
		                      "memory below the addresses that a start may use (vm.mmap_min_addr)",
		                      "run it without a mapping of page zero (setarch -Z)");
	if (vma->end > USER_END)
		return refuse_mapping(pid, vma, "memory above the 47-bit addresses", "map it lower");
	return STATUS_OK;
}

static enum status refuse_shared(pid_t pid, const struct vma *vma)
{
#define X(prefix, what)                                                                                      \
	if (strncmp(vma->name, prefix, sizeof(prefix) - 1) == 0)                                             \
		return refuse_mapping(pid, vma, what, "choose a point before it is mapped");
	REFUSED_SHARED(X)
#undef X
	return STATUS_OK; /* not reached: the last row fits everything */
}

/* What the kernel shares with the program; their objects have them (capture/rings.h). */
static bool is_ring(const struct vma *vma)
{
	return vma->shared && (is_aio_ring(vma) || strcmp(vma->name, "anon_inode:[io_uring]") == 0);
}

/* Those whose content is all that there is to them. The kernel marks what has no name any more. */
static bool is_object(const struct vma *vma)
{
	static const char mark[] = " (deleted)";
	size_t length = strlen(vma->name), tail = sizeof(mark) - 1;

	if (strncmp(vma->name, "/dmabuf:", 8) == 0)
		return false;
	if (strncmp(vma->name, "/secretmem", 10) == 0)
		return false;
	return strncmp(vma->name, "[anon_shmem:", 12) == 0 ||
	       (vma->name[0] == '/' && length > tail && strcmp(vma->name + length - tail, mark) == 0);
}

static enum status classify_shared(pid_t pid, const struct vma *vma, struct mapping *mapping)
{
	if (!is_object(vma))
		return refuse_shared(pid, vma);
	mapping->record.kind = SNAPIMG_MAPPING_ANONYMOUS;
	mapping->record.flags = SNAPIMG_MAP_SHARED;
	mapping->of_object = true;
	return STATUS_OK;
}

static void set_advice(const struct vma *vma, struct snapimg_mapping *record)
{
#define X(name, bit, letters, number)                                                                        \
	if (vma_has(vma, letters))                                                                           \
		record->advice |= SNAPIMG_ADVICE_##name;
	SNAPIMG_ADVICE(X)
#undef X
	if (record->advice & SNAPIMG_ADVICE_LOCKED && vma_has(vma, "??")) /* before Linux 6.2 */
		record->advice |= SNAPIMG_ADVICE_LOCKED_ON_FAULT;
	if (vma_has(vma, "nr"))
		record->flags |= SNAPIMG_MAP_NORESERVE;
	if (vma_has(vma, "dp") && record->kind == SNAPIMG_MAPPING_ANONYMOUS)
		record->flags |= SNAPIMG_MAP_DROPPABLE;
	if (vma_has(vma, "sl") && record->kind != SNAPIMG_MAPPING_VDSO &&
	    record->kind != SNAPIMG_MAPPING_VVAR) /* the kernel seals its own */
		record->flags |= SNAPIMG_MAP_SEALED;
}

/* X(name of the kernel's own mappings, or its beginning, kind) */
#define KERNEL_NAMES(X)                                                                                      \
	X("[vdso]", VDSO)                                                                                    \
	X("[vvar", VVAR)                                                                                     \
	X("[heap]", ANONYMOUS)                                                                               \
	X("[stack", ANONYMOUS)                                                                               \
	X("[anon:", ANONYMOUS)

static enum status classify_kernel_name(pid_t pid, const struct vma *vma, struct snapimg_mapping *record)
{
#define X(prefix, which)                                                                                     \
	if (strncmp(vma->name, prefix, sizeof(prefix) - 1) == 0) {                                           \
		record->kind = SNAPIMG_MAPPING_##which;                                                      \
		return STATUS_OK;                                                                            \
	}
	KERNEL_NAMES(X)
#undef X
	return refuse_mapping(pid, vma, "an unknown mapping of the kernel's",
	                      "report it with the kernel's version");
}

/* What can be written is the file's: such a mapping stays one, and self_contained.c looks at it again. */
static bool may_be_embedded(const struct vma *vma)
{
	return !vma->shared || !(vma->protection & SNAPIMG_PROT_WRITE || vma_has(vma, "mw"));
}

static enum status classify_file(const struct snapshot_request *request, const struct vma *vma,
                                 struct files *files, struct mapping *mapping)
{
	const struct named_file *named = files_named(files, vma);
	struct stat identity = named->identity;
	char other[PATH_MAX];
	bool has_name = named->is_there;
	bool has_other = !has_name && vma->shared && files_other_name(vma, other, &identity);
	const char *name = has_other ? other : vma->name;
	bool present = has_name || has_other;
	size_t index;
	enum status status;

	/* Which is anonymous (drivers/char/mem.c). As "/dev/zero (deleted)" shared memory shows that is
	 * mapped once more by /proc/PID/map_files (mm/shmem.c), whose content is behind what was not written.
	 */
	if (!vma->shared && strcmp(vma->name, "/dev/zero") == 0) {
		mapping->record.kind = SNAPIMG_MAPPING_ANONYMOUS;
		return STATUS_OK;
	}
	if (vma->shared && !(present && S_ISREG(identity.st_mode)))
		return classify_shared(request->pid, vma, mapping);
	if (present && !S_ISREG(identity.st_mode))
		return refuse_mapping(request->pid, vma, "memory of a device",
		                      "choose a point before it is mapped");
	if (present && !vma->shared && files_is_shim(files, &identity)) {
		mapping->record.kind = SNAPIMG_MAPPING_ANONYMOUS;
		mapping->by_content = mapping->of_shim = true;
		return STATUS_OK;
	}
	if (!present) {
		explain("%s was deleted or replaced: its mapping is kept by content", vma->name);
		mapping->record.kind = SNAPIMG_MAPPING_ANONYMOUS;
		mapping->by_content = true;
		return STATUS_OK;
	}
	/* The thawed image that it was started from, perhaps a copy in a cache: gone one day, and its memory
	 * was anonymous once. */
	if (!vma->shared && named->is_image) {
		mapping->record.kind = SNAPIMG_MAPPING_ANONYMOUS;
		mapping->by_content = true;
		return STATUS_OK;
	}
	bool written = vma->shared && (vma->protection & SNAPIMG_PROT_WRITE);
	status = files_add(files, name, &identity, written ? SNAPIMG_CHECK_EXISTS : SNAPIMG_CHECK_STAMP,
	                   &index);
	if (status != STATUS_OK)
		return status;
	mapping->record.kind = SNAPIMG_MAPPING_FILE;
	mapping->record.file = (uint32_t)index + 1;
	mapping->record.offset = vma->offset;
	mapping->record.flags = vma->shared ? SNAPIMG_MAP_SHARED : 0;
	if (vma->shared && !written && vma_has(vma, "mw"))
		mapping->record.flags |= SNAPIMG_MAP_MAY_WRITE;
	if (request->self_contained && may_be_embedded(vma))
		mapping->record.flags = SNAPIMG_MAP_EMBEDDED;
	return STATUS_OK;
}

static enum status classify(const struct snapshot_request *request, const struct vma *vma,
                            struct files *files, struct mapping *mapping)
{
	struct snapimg_mapping *record = &mapping->record;
	enum status status;

	*mapping = (struct mapping){
	        .vma = vma,
	        .record = {.start = vma->start, .end = vma->end, .protection = vma->protection},
	};
	if (vma->name[0] == '[' && !vma->shared) {
		if ((status = classify_kernel_name(request->pid, vma, record)) != STATUS_OK)
			return status;
		if (record->kind !=
		    SNAPIMG_MAPPING_ANONYMOUS) /* vvar has io and pf, and none may be advised */
			return STATUS_OK;
	}
	if (is_ring(vma)) {
		set_advice(vma, record);
		record->kind = SNAPIMG_MAPPING_RING;
		record->flags = SNAPIMG_MAP_SHARED | (record->flags & SNAPIMG_MAP_SEALED);
		record->offset = vma->offset;
		return STATUS_OK;
	}
	if ((status = refuse_by_flags(request->pid, vma)) != STATUS_OK)
		return status;
	if (vma->inode != 0 || vma->name[0] == '/') { /* "[anon_shmem:", too */
		if ((status = classify_file(request, vma, files, mapping)) != STATUS_OK)
			return status;
	} else if (vma->shared) {
		return refuse_shared(request->pid, vma);
	} else {
		record->kind = vma_has(vma, "gd") ? SNAPIMG_MAPPING_STACK : SNAPIMG_MAPPING_ANONYMOUS;
	}
	set_advice(vma, record);
	mapping->not_stored = vma_has(vma, "wf") || vma_has(vma, "dp");
	vm_flags_tell(vma);
	return STATUS_OK;
}

/* The page that keeps the break from growing was put there by the tracer. It may have merged with another
 * inaccessible mapping; only the page itself is left out. */
static void cut_guard(const struct snapshot_request *request, struct mappings *mappings)
{
	struct mapping *last = &mappings->mapping[mappings->count - 1];
	uint64_t start = request->guard_start, end = request->guard_end;

	if (start == end || last->record.kind != SNAPIMG_MAPPING_ANONYMOUS || last->vma->protection != 0 ||
	    start < last->record.start || end > last->record.end)
		return;
	struct mapping rest = *last;
	mappings->count--;
	last->record.end = start;
	rest.record.start = end;
	if (last->record.start < last->record.end)
		mappings->mapping[mappings->count++] = *last;
	if (rest.record.start < rest.record.end)
		mappings->mapping[mappings->count++] = rest;
}

/* See FORMAT.md: the part before MEMORY stands for all of the loader's range. */
static void cut_reservation(struct mappings *mappings)
{
	const struct mapping whole = mappings->mapping[mappings->count - 1];
	const bool is_part = whole.record.end < SNAPIMG_LOADER_END;
	const struct {
		uint64_t start, end;
	} part[] = {{whole.record.start, SNAPIMG_LOADER_START},
	            {SNAPIMG_LOADER_START, SNAPIMG_MEMORY_START},
	            {SNAPIMG_LOADER_END, whole.record.end}};

	if (whole.record.start >= SNAPIMG_LOADER_END || whole.record.end <= SNAPIMG_LOADER_START)
		return;
	mappings->count--;
	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++) {
		if (part[i].start >= part[i].end)
			continue;
		struct mapping *mapping = &mappings->mapping[mappings->count++];
		*mapping = whole;
		mapping->record.start = part[i].start;
		mapping->record.end = part[i].end;
		mapping->record.offset = i == 1 && is_part ? whole.record.end - SNAPIMG_LOADER_START : 0;
	}
}

enum status mappings_read(const struct snapshot_request *request, const struct maps *maps,
                          struct files *files, struct mappings *ret_mappings)
{
	enum {
		MORE = 3 /* what is cut in pieces */
	};
	struct mappings result = {0};

	result.mapping = array_reserve(NULL, 0, maps->count + MORE, &result.room, sizeof(*result.mapping));
	if (!result.mapping)
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; i < maps->count; i++) {
		struct mapping *mapping = &result.mapping[result.count++];
		*mapping = (struct mapping){0};
		enum status status = pass_refusal(classify(request, &maps->vma[i], files, mapping));
		if (status != STATUS_OK) {
			mappings_free(&result);
			return status;
		}
		cut_reservation(&result);
		if (mapping->record.kind == SNAPIMG_MAPPING_VDSO)
			result.vdso = mapping->vma;
		if (mapping->record.kind == SNAPIMG_MAPPING_FILE &&
		    !(mapping->record.flags & SNAPIMG_MAP_EMBEDDED))
			result.file_bytes += maps->vma[i].rss - maps->vma[i].anonymous;
		cut_guard(request, &result);
	}
	*ret_mappings = result;
	return STATUS_OK;
}

enum status mappings_find_resume_blocks(const struct mappings *mappings, pid_t pid, const struct files *files,
                                        struct fixups *fixups, struct snapimg_shim *shim)
{
	struct loaded_file loaded = {0};
	enum status status = STATUS_OK;

	for (size_t i = 0; i < mappings->count && status == STATUS_OK; i++) {
		const struct mapping *mapping = &mappings->mapping[i];
		const struct snapimg_mapping *record = &mapping->record;
		bool of_file = record->kind == SNAPIMG_MAPPING_FILE && !(record->flags & SNAPIMG_MAP_SHARED);
		if (!(of_file || mapping->of_shim) || mapping->vma->offset != 0)
			continue;
		const struct file *file = mapping->of_shim ? &files->shim : &files->file[record->file - 1];
		if (record->start < loaded.end && file == loaded.file)
			continue;
		loaded = (struct loaded_file){.file = file, .start = record->start};
		status = fixups_add_resume_blocks(fixups, pid, &loaded);
		if (mapping->of_shim)
			fixups_find_shim_table(pid, &loaded, shim);
	}
	return status;
}

enum snapimg_error mappings_write(const struct mappings *mappings, struct snapimg_writer *writer)
{
	enum snapimg_error error = SNAPIMG_OK;

	for (size_t i = 0; i < mappings->count && error == SNAPIMG_OK; i++) {
		struct snapimg_mapping record = mappings->mapping[i].record;
		error = snapimg_writer_string(writer, mappings->mapping[i].vma->name, &record.name);
		if (error == SNAPIMG_OK)
			error = snapimg_writer_add(writer, SNAPIMG_SECTION_MAPPINGS, &record, sizeof(record));
	}
	return error;
}

void mappings_free(struct mappings *mappings)
{
	free(mappings->mapping);
	*mappings = (struct mappings){0};
}
