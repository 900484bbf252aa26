/* Which pages of a mapping hold something of the process's own. */
#ifndef TRACER_PTRACE_PAGES_H
#define TRACER_PTRACE_PAGES_H

#include "format/base/maps.h"

/* One open source for one process. */
struct pages {
	int pagemap;       /* /proc/PID/pagemap */
	bool by_scan;      /* PAGEMAP_SCAN works (Linux 6.7) */
	bool tells_guards; /* and knows PAGE_IS_GUARD (Linux 6.16) */
	uint64_t *buffer;
};

/* allow_scan false: read pagemap entries even where PAGEMAP_SCAN works (for tests). */
enum status pages_open(pid_t pid, bool allow_scan, struct pages *ret_pages)
        __attribute__((warn_unused_result));
void pages_close(struct pages *pages);

/* Called for each run of pages [start, end), by address. Not STATUS_OK ends the walk. */
typedef enum status pages_visitor(void *context, uint64_t start, uint64_t end);

/*
 * Visits the runs of vma that must be looked at: in an anonymous mapping what is present or swapped
 * out, in a private file mapping of that only what isn't the file's. Zero pages are left out where the
 * kernel tells (PAGEMAP_SCAN), and so are guard pages (MADV_GUARD_INSTALL); where it doesn't tell, they count
 * as swapped out, and can't be read.
 */
enum status pages_walk(const struct pages *pages, const struct vma *vma, bool of_file, pages_visitor *visit,
                       void *context) __attribute__((warn_unused_result));

/* Visits the guard pages below end, where the kernel tells them. */
enum status pages_walk_guards(const struct pages *pages, uint64_t end, pages_visitor *visit, void *context)
        __attribute__((warn_unused_result));

#endif
