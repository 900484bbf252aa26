/*
 * mremap(2) of memory that is mapped from the image. The kernel takes one
 * mapping, and lets a file's memory grow into what follows in the file. What was
 * one mapping in the program may be several now, so:
 *   - memory that can grow where it is gets anonymous memory after it, and
 *     nothing of it is touched: other threads may go on writing to it;
 *   - memory that must move is copied to its new place. Who writes to it
 *     meanwhile writes to addresses that the call takes away.
 */
#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/mman.h>

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"

SNAP_EXPORT void *mremap(void *old, size_t old_size, size_t new_size, int flags, void *wanted);

enum { REMAP_DONTUNMAP = 4, MAP_NOT_OVER = 0x100000 /* MAP_FIXED_NOREPLACE, Linux 4.17 */ };

struct whole {
	uint64_t start, end, at; /* `at`: so far without a hole */
	int protection;
	unsigned count;
	bool uniform;
	bool has_image;
};

static bool look_whole(void *context, const struct process_mapping *mapping)
{
	struct whole *whole = context;

	if (whole->count++ == 0)
		whole->protection = mapping->protection;
	bool is_image = mapped_is_image(mapping);
	whole->uniform = whole->uniform && mapping->start <= whole->at && !mapping->shared &&
	                 mapping->protection == whole->protection && (mapping->inode == 0 || is_image);
	whole->has_image = whole->has_image || is_image;
	whole->at = mapping->end;
	return whole->uniform;
}

/* The range was one mapping in the program, and is not one anonymous mapping now. -EAGAIN: no /proc. */
static long is_several(uint64_t start, uint64_t end, struct part *ret_part)
{
	struct whole whole = {.start = start, .end = end, .at = start, .uniform = true};

	if (!process_maps_visit(start, end, look_whole, &whole))
		return -EAGAIN;
	*ret_part = (struct part){start, end, whole.protection, 0, 0};
	return whole.uniform && whole.at >= end && (whole.count > 1 || whole.has_image);
}

long move_make_one(uint64_t start, uint64_t end)
{
	struct part part;
	long result;

	if (!mapped_overlaps(start, end) || (result = is_several(start, end, &part)) == 0)
		return 0;
	if (result > 0)
		result = anonymous_replace(&part);
	if (result == 0)
		mapped_note_settled(start, end);
	return result;
}

static long grow_in_place(const struct part *part, uint64_t more)
{
	long result = shim_call(__NR_mmap, part->end, more, (uint64_t)part->protection,
	                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NOT_OVER, (uint64_t)-1, 0);

	if (result < 0)
		return result;
	if (result != (long)part->end) { /* an older kernel has taken the address as a hint */
		shim_call(__NR_munmap, (uint64_t)result, more, 0, 0, 0, 0);
		return -EEXIST;
	}
	anonymous_advise_like(part, part->end, more);
	return (long)part->start;
}

static long move_away(const struct part *part, uint64_t new_size, bool is_fixed, uint64_t wanted)
{
	long new = anonymous_copy(part, new_size), result;

	if (new < 0)
		return new;
	result = shim_call(__NR_mprotect, (uint64_t) new, new_size, (uint64_t)part->protection, 0, 0, 0);
	if (result == 0) {
		anonymous_advise_like(part, (uint64_t) new, new_size);
		result = new;
	}
	if (result == new &&is_fixed)
		result = shim_call(__NR_mremap, (uint64_t) new, new_size, new_size,
		                   MREMAP_MAYMOVE | MREMAP_FIXED, wanted, 0);
	if (result < 0)
		shim_call(__NR_munmap, (uint64_t) new, new_size, 0, 0, 0, 0);
	else
		shim_call(__NR_munmap, part->start, part->end - part->start, 0, 0, 0, 0);
	return result;
}

/* As the kernel would refuse it, or does: the flags, a place over the old one. */
static bool is_wrong(const struct part *part, uint64_t new_size, uint64_t flags, uint64_t wanted)
{
	const uint64_t known = MREMAP_MAYMOVE | MREMAP_FIXED;

	if (new_size == 0 || flags & ~known)
		return true;
	if (!(flags & MREMAP_FIXED))
		return false;
	return !(flags & MREMAP_MAYMOVE) || wanted % SHIM_PAGE != 0 ||
	       (wanted < part->end && part->start < wanted + new_size);
}

long move_memory(uint64_t start, uint64_t old_size, uint64_t new_size, uint64_t flags, uint64_t wanted)
{
	uint64_t end = start + shim_page_ceil(old_size), size = shim_page_ceil(new_size);
	bool stays = size <= end - start && !(flags & (MREMAP_FIXED | REMAP_DONTUNMAP));
	struct part part;
	long result = 0;

	if (stays || start % SHIM_PAGE != 0 || !mapped_overlaps(start, end))
		goto kernel;
	if (flags & REMAP_DONTUNMAP) {
		result = move_make_one(start, end);
		goto kernel;
	}
	if ((result = is_several(start, end, &part)) <= 0)
		goto kernel;
	result = 0;
	if (is_wrong(&part, size, flags, wanted))
		goto kernel;
	if (!(flags & MREMAP_FIXED) && (result = grow_in_place(&part, size - (end - start))) >= 0)
		return result;
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	return move_away(&part, size, (flags & MREMAP_FIXED) != 0, wanted);
kernel:
	return result < 0 ? result : shim_call(__NR_mremap, start, old_size, new_size, flags, wanted, 0);
}

void *mremap(void *old, size_t old_size, size_t new_size, int flags, void *wanted)
{
	long result = move_memory((uint64_t)old, old_size, new_size, (uint64_t)flags, (uint64_t)wanted);

	/* An address may be above LONG_MAX for none: user memory ends far below. */
	return result < 0 ? (void *)shim_give(result) : (void *)result;
}
