/*
 * A block of malloc's that has a mapping of its own is grown by mremap(2),
 * inside the C library, where nobody sees it; what a block looks like differs
 * between releases (glibc 2.43 changed it). So a block that may be one, and lies
 * in memory of the image, is grown by what every malloc has: a new one, a copy,
 * free. Which block may be one is not read from its head, but from what
 * malloc_usable_size(3) says; the head only tells of a block that it is none,
 * where both say the same.
 */

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"
#include "preload/shim/shim.h"

SNAP_EXPORT void *realloc(void *block, size_t size);

#pragma weak malloc
#pragma weak free
#pragma weak malloc_usable_size
extern void *malloc(size_t size);
extern void free(void *block);
extern size_t malloc_usable_size(void *block);

/* A chunk of an arena (malloc/malloc.c of glibc, struct malloc_chunk): the word before it is its size, with
 * three flags, of which IS_MMAPPED is not set; usable are all bytes but the size's own. */
static bool is_of_arena(const uint64_t *block, size_t usable)
{
	enum { FLAGS = 7, IS_MMAPPED = 2 };
	uint64_t size = block[-1];

	return !(size & IS_MMAPPED) && (size & ~(uint64_t)FLAGS) == usable + sizeof(size);
}

static bool may_have_mapping(void *block, size_t size, size_t *ret_usable)
{
	uint64_t start = (uint64_t)block;

	if (!mapped_overlaps(start, start + 1) || !malloc || !free || !malloc_usable_size)
		return false;
	*ret_usable = malloc_usable_size(block);
	return size > *ret_usable && !is_of_arena(block, *ret_usable);
}

static void copy_bytes(void *to, const void *from, size_t size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

void *realloc(void *block, size_t size)
{
	void *(*real)(void *, size_t);
	size_t usable;

	if (snap_mapped_table.count > 0 && block && may_have_mapping(block, size, &usable)) {
		void *new = malloc(size);
		if (new) {
			copy_bytes(new, block, usable);
			free(block);
		}
		return new;
	}
	*(void **)(void *)&real = snap_next(&snap_real.realloc, "realloc");
	return real ? real(block, size) : NULL;
}
