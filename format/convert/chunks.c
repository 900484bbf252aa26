/*
 * glibc's realloc grows a chunk that has a mapping of its own by mremap(2), by
 * a call inside the library that no shim sees (malloc/malloc.c, mremap_chunk;
 * the same in 2.31 to 2.41). Memory of a file would grow into what follows in
 * the file. But to change the size mremap takes one mapping only, and fails
 * with EFAULT where there are more (mm/mremap.c); then realloc allocates,
 * copies and frees. So it is enough that one page of the chunk stays
 * anonymous: the one with its head, 16 bytes at an address that is a multiple
 * of 16 (there, "struct malloc_chunk"):
 *
 *     mchunk_prev_size   bytes between the mapping's start and the head; newer
 *                        ones have a flag in the lowest bit
 *     mchunk_size        bytes from the head to the mapping's end, | 2
 *
 * Other bytes that look like one only cost that one page is copied at a
 * restore.
 *
 * What else glibc does by itself to memory needs no zeros back from it:
 * MADV_DONTNEED of a stack in nptl/allocatestack.c (advise_stack_range; the
 * next thread's TLS is cleared), of a heap's end in malloc/arena.c
 * (shrink_heap; calloc clears what is below mprotect_size, which stays) and of
 * free chunks in malloc_trim (mtrim; calloc clears them).
 */
#include <string.h>

#include "format/convert/thaw_plan.h"

enum { HEAD_ALIGNMENT = 16, IS_MMAPPED = 2, FLAGS = 7 };

static bool is_head(const struct snapimg_mapping *mapping, uint64_t address, const uint64_t head[2])
{
	uint64_t before = head[0] & ~(uint64_t)(HEAD_ALIGNMENT - 1), size = head[1] & ~(uint64_t)FLAGS;
	uint64_t start = address - before;

	return before <= address - mapping->start && size > 0 && start % SNAPIMG_PAGE_SIZE == 0 &&
	       (before + size) % SNAPIMG_PAGE_SIZE == 0 && size <= mapping->end - address;
}

enum snapimg_error chunks_find(const struct snapimg_mapping *mapping, const struct snapimg_run *run,
                               const uint8_t *pages, struct address_ranges *found)
{
	size_t size = (size_t)run->pages * SNAPIMG_PAGE_SIZE, at;
	enum snapimg_error error = SNAPIMG_OK;

	for (at = 0; at < size && error == SNAPIMG_OK; at += HEAD_ALIGNMENT) {
		uint64_t head[2];

		memcpy(head, pages + at, sizeof(head));
		if ((head[1] & FLAGS) == IS_MMAPPED && is_head(mapping, run->address + at, head))
			error = address_ranges_add(found, run->address + at - at % SNAPIMG_PAGE_SIZE,
			                           run->address + at - at % SNAPIMG_PAGE_SIZE +
			                                   SNAPIMG_PAGE_SIZE);
	}
	return error;
}
