/* Large reservations with little in them, where the kernel has no PAGEMAP_SCAN (before Linux 6.7). */
#ifndef TRACER_CAPTURE_MEMORY_SPARSE_H
#define TRACER_CAPTURE_MEMORY_SPARSE_H

#include "tracer/ptrace/pages.h"

/* How madvise(2) is called in the process; a call that fails is no failure of this function. */
struct adviser {
	enum status (*advise)(void *context, uint64_t start, uint64_t size, int advice, int64_t *ret_result);
	void *context;
};

/*
 * As pages_walk() for an anonymous mapping. To read the entries of page tables that aren't there takes 0.9 s
 * a TiB. smaps passes over them, but counts a mapping as a whole; so the mapping is cut into many by an
 * advice that changes nothing of its memory (MADV_DONTDUMP of every other piece) as long as it is looked at,
 * and only pieces that have pages are walked.
 */
enum status sparse_walk(const struct pages *pages, pid_t pid, const struct vma *vma,
                        const struct adviser *adviser, pages_visitor *visit, void *context)
        __attribute__((warn_unused_result));

#endif
