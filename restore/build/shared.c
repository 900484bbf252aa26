/*
 * Memory that the program sees in several places, in parts, or by a descriptor
 * too: made once, mapped out of the program's way to be filled, and looked at
 * by all its views. mremap(2) with an old size of 0 makes a view of shared
 * memory that has no descriptor (its manual page, "old_size is zero").
 */
#include <asm/errno.h>
#include <assert.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/ipc.h"
#include "restore/become/tree.h"
#include "restore/fds/objects.h"
#include "restore/fds/table.h"
#include "restore/loader.h"
#include "restore/zone.h"

static_assert(ZONE_MEMORY == SNAPIMG_MEMORY_START && ZONE_THREADS == SNAPIMG_MEMORY_END &&
                      ZONE_START == SNAPIMG_LOADER_START && ZONE_END == SNAPIMG_LOADER_END &&
                      USER_START == SNAPIMG_USER_START,
              "the zone has the ranges that the format names");

static void make_one(const struct snapimg_mapping *memory)
{
	uint64_t flags = MAP_SHARED | MAP_FIXED_NOREPLACE;
	long descriptor = -1;
	if ((memory->flags & SNAPIMG_MAP_SEGMENT) != 0) {
		long attached = ipc_attach(memory);
		if (attached != (long)memory->start)
			mapping_die(memory, "attach System V shared memory of", attached);
		return;
	}
	flags |= (memory->flags & SNAPIMG_MAP_NORESERVE) != 0 ? MAP_NORESERVE : 0;
	if (memory->file != 0) {
		descriptors_begin();
		objects_make_file(memory->file - 1);
		descriptor = objects_descriptor(memory->file - 1);
	} else {
		flags |= MAP_ANONYMOUS;
	}
	long result = sys(__NR_mmap, memory->start, memory->end - memory->start, memory->protection, flags,
	                  descriptor, 0);
	if (result != (long)memory->start)
		mapping_die(memory, "make shared memory of", result);
}

/* It was inherited, at this place. */
static void find_one(const struct snapimg_mapping *memory)
{
	if (!tree_is_member())
		die(EXIT_REFUSED, loader.options.image, ": belongs to a tree of processes: start that");
	if (memory->file == 0 || (memory->flags & SNAPIMG_MAP_SEGMENT) != 0)
		return;
	descriptors_begin();
	objects_make_file(memory->file - 1);
}

void shared_make(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	static bool is_made; /* by the first process of a tree, before it makes the others */
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_MEMORY)
			continue;
		if ((mapping[i].flags & SNAPIMG_MAP_TREE) != 0)
			find_one(&mapping[i]);
		else if (!is_made || tree_is_member())
			make_one(&mapping[i]);
	}
	is_made = true;
}

static long map_by_descriptor(const struct snapimg_mapping *view, uint32_t object)
{
	bool read_only = (view->flags & SNAPIMG_MAP_READ_ONLY) != 0;
	bool is_shared = (view->flags & SNAPIMG_MAP_SHARED) != 0;
	uint64_t protection = view->protection | (view->run_count > 0 ? PROT_WRITE : 0);
	uint64_t flags = MAP_FIXED | (is_shared ? MAP_SHARED : MAP_PRIVATE);
	long descriptor =
	        read_only ? objects_reopen(objects_descriptor(object), O_RDONLY) : objects_descriptor(object);
	flags |= (view->flags & SNAPIMG_MAP_NORESERVE) != 0 ? MAP_NORESERVE : 0;
	if (descriptor < 0)
		return descriptor;
	long result = sys(__NR_mmap, view->start, view->end - view->start, protection, flags, descriptor,
	                  view->offset);
	if (read_only)
		sys(__NR_close, descriptor);
	return result;
}

/* A view that begins past the end of the memory's mapping can't be had by mremap: the image has none. */
static long map_by_memory(const struct snapimg_mapping *view, const struct snapimg_mapping *memory)
{
	uint64_t size = view->end - view->start;
	long result = sys(__NR_mremap, memory->start + view->offset, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED,
	                  view->start);
	if (result != (long)view->start)
		return result;
	long protected = sys(__NR_mprotect, view->start, size, view->protection);
	return protected < 0 ? protected : result;
}

void shared_map_view(const struct snapimg_mapping *view)
{
	const struct snapimg_mapping *memory = &snapimg_get_mapping(&loader.image)[view->file - 1];
	bool is_segment = (memory->flags & SNAPIMG_MAP_SEGMENT) != 0;
	bool by_descriptor = memory->file != 0 && !is_segment;
	bool is_read_only = (view->flags & SNAPIMG_MAP_READ_ONLY) != 0;
	long result = by_descriptor                ? map_by_descriptor(view, memory->file - 1)
	              : is_segment && is_read_only ? ipc_map_read_only(view, memory)
	                                           : map_by_memory(view, memory);
	/* In a tree the descriptor is complete: what was mapped for writing has one for reading only, or a
	 * seal. */
	if ((result == -EACCES || result == -EPERM) && (view->flags & SNAPIMG_MAP_SHARED) != 0 &&
	    !is_read_only)
		result = map_by_memory(view, memory);
	if (result != (long)view->start)
		mapping_die(view, "map", result);
}

/* Before seals are set, which a writable mapping would be in the way of. */
void shared_leave(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if (mapping[i].kind == SNAPIMG_MAPPING_MEMORY)
			sys(__NR_munmap, mapping[i].start, mapping[i].end - mapping[i].start);
}
