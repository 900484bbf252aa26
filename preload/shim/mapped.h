/* Inside the shim: memory that is mapped from the image, and what makes it anonymous. */
#ifndef PRELOAD_SHIM_MAPPED_H
#define PRELOAD_SHIM_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/contract.h"

#define SNAP_EXPORT __attribute__((visibility("default")))
#define SNAP_HIDDEN __attribute__((visibility("hidden")))

#pragma weak __errno_location
extern int *__errno_location(void);

enum { SHIM_PAGE = 4096 };

/* mapped.c. The loader writes it where the compiler sees no code that does. */
SNAP_HIDDEN extern volatile struct snap_mapped snap_mapped_table;

/* A part of the program's memory. */
struct part {
	uint64_t start, end;
	int protection;
	int advice;     /* what it is treated for */
	uint32_t range; /* one more than its number in the table; 0: it isn't known to be of the image */
};

static inline uint64_t shim_page_ceil(uint64_t size)
{
	return (size + SHIM_PAGE - 1) / SHIM_PAGE * SHIM_PAGE;
}

/* What a function of the C library returns: sets errno and gives -1 for a negative result. */
static inline long shim_give(long result)
{
	if (result >= 0)
		return result;
	if (__errno_location)
		*__errno_location() = (int)-result;
	return -1;
}

/* mapped.c: [start, end) has a page that was the image's when the program started; that may still be it. */
SNAP_HIDDEN bool mapped_overlaps(uint64_t start, uint64_t end);
SNAP_HIDDEN bool mapped_touches(uint64_t start, uint64_t end);
struct process_mapping;
SNAP_HIDDEN bool mapped_is_image(const struct process_mapping *mapping);
SNAP_HIDDEN void mapped_note_settled(uint64_t start, uint64_t end);
/* mapped.c: what madvise(2) of this advice needs first; 0, or -errno. */
SNAP_HIDDEN long mapped_before_advice(uint64_t start, uint64_t end, int advice);
/* mapped.c: what of [start, end) is the image's becomes anonymous, with its bytes. */
SNAP_HIDDEN long mapped_make_anonymous(uint64_t start, uint64_t end);
/* mapped.c: the calls themselves, with the kernel's results. */
SNAP_HIDDEN long mapped_advise(uint64_t start, uint64_t size, int advice);
SNAP_HIDDEN long mapped_advise_process(int descriptor, uint64_t ranges, uint64_t count, int advice,
                                       uint64_t flags);

/* anonymous.c: gives the part up, as the kernel would if it would: locked memory is not given up. */
SNAP_HIDDEN long anonymous_empty(const struct part *part);
/* anonymous.c: puts anonymous memory with the same bytes in its place, in one step. No store of another
 * thread is lost; -EAGAIN where the others can't be held meanwhile. */
SNAP_HIDDEN long anonymous_replace(const struct part *part);
/* anonymous.c: new anonymous memory of `size` bytes that begins with the part's; its address or -errno.
 * Others must not write to the part meanwhile. */
SNAP_HIDDEN long anonymous_copy(const struct part *part, uint64_t size);
/* anonymous.c: gives memory the advice that the part has, where any has some. */
SNAP_HIDDEN void anonymous_advise_like(const struct part *part, uint64_t start, uint64_t size);

/* move.c */
SNAP_HIDDEN long move_memory(uint64_t start, uint64_t old_size, uint64_t new_size, uint64_t flags,
                             uint64_t wanted);
/* move.c: [start, end) is one anonymous mapping, if it was one before. */
SNAP_HIDDEN long move_make_one(uint64_t start, uint64_t end);

/* others.c: holds all other threads of the process, or says why not (-errno). */
struct held {
	uint64_t memory; /* 0: there are no others */
	uint64_t mask;   /* of signals, before */
	long pid;
};
SNAP_HIDDEN long others_hold(struct held *ret_held);
SNAP_HIDDEN void others_release(struct held *held);

#endif
