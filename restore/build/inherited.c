/*
 * Pages that a process of a tree has as an earlier one has them, the holder, in whose part of the image they
 * are (FORMAT.md, INHERITED). Of a thawed image they are mapped from there, so that all processes, and all
 * starts, show the same pages of the file until they write to them; else the holder's extents are decoded
 * once more, and what is asked for of them is taken.
 */
#include "restore/build/inherited.h"

#include <linux/mman.h>
#include <linux/uio.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/tree.h"
#include "restore/loader.h"

static struct {
	struct snapimg own; /* whose INHERITED is asked for, while the holder's image is open */
	uint32_t member;    /* the holder */
	uint64_t taken;     /* pages */
} taking;

static _Noreturn void die_of(const struct snapimg_inherited *it)
{
	die(EXIT_REFUSED, loader.options.image, ": ", snapimg_strerror(SNAPIMG_ERR_INHERITED), " at ",
	    hex(it->address), ": freeze the program again, or fetch the image again");
}

/* --- thawed */

static uint64_t size_of(const struct snapimg_inherited *it)
{
	return (uint64_t)it->pages * SNAPIMG_PAGE_SIZE;
}

bool inherited_is_mapped(const struct snapimg_inherited *it)
{
	const struct snapimg_mapping *mapping =
	        &snapimg_get_mapping(&loader.image)[snapimg_mapping_after(&loader.image, it->address)];
	/* Without /proc the shim can't see to memory that was anonymous: pieces.c. */
	return it->offset != 0 && (mapping->kind == SNAPIMG_MAPPING_FILE ||
	                           (snapimg_shim_count(&loader.image) > 0 && pieces_can_be_told()));
}

/* With the right to write, as the rest of such a mapping until mappings_protect(). */
static void map_one(const struct snapimg_mapping *mapping, const struct snapimg_inherited *it)
{
	uint64_t flags = MAP_PRIVATE | MAP_FIXED;
	flags |= (mapping->flags & SNAPIMG_MAP_NORESERVE) != 0 ? MAP_NORESERVE : 0;
	long result = sys(__NR_mmap, it->address, size_of(it), mapping->protection | PROT_WRITE, flags,
	                  loader.image_descriptor, loader.tree.offset + it->offset);
	if (result != (long)it->address)
		mapping_die(mapping, "map", result);
}

void inherited_map(const struct snapimg_mapping *mapping)
{
	const struct snapimg_inherited *it = snapimg_get_inherited(&loader.image);
	uint32_t count = snapimg_inherited_count(&loader.image);
	for (uint32_t i = snapimg_inherited_after(&loader.image, mapping->start);
	     i < count && it[i].address < mapping->end; i++) {
		if (it[i].offset == 0)
			continue;
		/* Before this process's own image, where the earlier ones' are. */
		uint64_t before = loader.image_offset - loader.tree.offset;
		if (!tree_is_member() || it[i].offset > before || size_of(&it[i]) > before - it[i].offset)
			die_of(&it[i]);
		if (inherited_is_mapped(&it[i]))
			map_one(mapping, &it[i]);
		else if (!image_read((void *)it[i].address, size_of(&it[i]), it[i].offset - before))
			die(EXIT_REFUSED, loader.options.image,
			    ": became shorter while it was read: try again");
	}
}

/* --- frozen: with the holder's image */

static bool is_wanted(const struct snapimg_inherited *it)
{
	return it->offset == 0 && it->member == taking.member;
}

/* Visits what is asked for of a run. */
typedef void visitor(void *context, uint64_t start, uint64_t end);
static void visit(const struct snapimg_run *run, visitor *function, void *context)
{
	const struct snapimg_inherited *it = snapimg_get_inherited(&taking.own);
	uint32_t count = snapimg_inherited_count(&taking.own);
	uint64_t run_end = snapimg_run_end(run);
	if (run->kind != SNAPIMG_RUN_DATA)
		return;
	for (uint32_t i = snapimg_inherited_after(&taking.own, run->address);
	     i < count && it[i].address < run_end; i++) {
		uint64_t end = snapimg_inherited_end(&it[i]);
		if (is_wanted(&it[i]))
			function(context, it[i].address > run->address ? it[i].address : run->address,
			         end < run_end ? end : run_end);
	}
}

static void note_wish(void *context, uint64_t start, uint64_t end)
{
	*(bool *)context |= start < end;
}

bool inherited_wants(const struct snapimg_extent *extent)
{
	const struct snapimg_run *run = snapimg_get_run(&loader.image) + extent->run_first;
	bool wants = false;
	for (uint32_t i = 0; i < extent->run_count && !wants; i++)
		visit(&run[i], note_wish, &wants);
	return wants;
}

enum { PARTS_MAX = SNAPIMG_EXTENT_MAX / SNAPIMG_PAGE_SIZE };
struct parts {
	struct iovec from[PARTS_MAX], to[PARTS_MAX];
	uint32_t count;
	uint64_t size;
	const uint8_t *bytes; /* of the run that is visited */
	uint64_t address;
};

static void add_part(void *context, uint64_t start, uint64_t end)
{
	struct parts *parts = context;
	parts->from[parts->count] =
	        (struct iovec){(void *)(uintptr_t)(parts->bytes + (start - parts->address)), end - start};
	parts->to[parts->count++] = (struct iovec){(void *)start, end - start};
	parts->size += end - start;
}

void inherited_put(const struct snapimg_extent *extent, const uint8_t *bytes)
{
	const struct snapimg_run *run = snapimg_get_run(&loader.image) + extent->run_first;
	struct parts parts = {.count = 0};
	parts.bytes = bytes;
	for (uint32_t i = 0; i < extent->run_count; i++) {
		if (extent->kind == SNAPIMG_EXTENT_MAPPED)
			parts.bytes = bytes + (run[i].address - run->address);
		parts.address = run[i].address;
		visit(&run[i], add_part, &parts);
		if (run[i].kind == SNAPIMG_RUN_DATA)
			parts.bytes += snapimg_run_end(&run[i]) - run[i].address;
	}
	__atomic_fetch_add(&taking.taken, parts.size / SNAPIMG_PAGE_SIZE, __ATOMIC_RELAXED);
	if (sys(__NR_process_vm_writev, loader.tid, parts.from, parts.count, parts.to, parts.count, 0) ==
	    (long)parts.size)
		return;
	for (uint32_t i = 0; i < parts.count; i++)
		memcpy(parts.to[i].iov_base, parts.from[i].iov_base, parts.from[i].iov_len);
}

/* From one holder. */
static void take(const struct snapimg_inherited *first)
{
	uint64_t wanted = 0;
	taking.own = loader.image;
	taking.member = first->member;
	taking.taken = 0;
	if (!image_borrow(first->member))
		die_of(first);
	fill_from_holder();
	image_return();
	for (uint32_t i = 0; i < snapimg_inherited_count(&loader.image); i++)
		if (is_wanted(&snapimg_get_inherited(&loader.image)[i]))
			wanted += snapimg_get_inherited(&loader.image)[i].pages;
	if (taking.taken != wanted)
		die_of(first);
}

void inherited_take(void)
{
	const struct snapimg_inherited *it = snapimg_get_inherited(&loader.image);
	uint32_t count = snapimg_inherited_count(&loader.image);
	if (count > 0 && !tree_is_member())
		die(EXIT_REFUSED, loader.options.image, ": belongs to a tree of processes: start that");
	/* Holders in the order of their numbers: mostly one. */
	for (uint32_t least = 0; least < loader.tree_member;) {
		const struct snapimg_inherited *next = NULL;
		for (uint32_t i = 0; i < count; i++)
			if (it[i].offset == 0 && it[i].member >= least &&
			    (next == NULL || it[i].member < next->member))
				next = &it[i];
		if (next == NULL)
			return;
		least = next->member + 1;
		take(next);
	}
}
