/* Which pages an image will hold, in jobs of the size of an extent. */
#ifndef TRACER_CAPTURE_MEMORY_PLAN_H
#define TRACER_CAPTURE_MEMORY_PLAN_H

#include "tracer/capture/memory/mappings.h"
#include "tracer/capture/process/state.h"

/* How many pages a job has at most. An extent of 256 KiB is large enough to compress well and small enough to
 * spread; the largest compresses best, as no match reaches out of its frame. */
enum { JOB_PAGES = 64, JOB_PAGES_MAX = SNAPIMG_EXTENT_MAX / SNAPIMG_PAGE_SIZE };

/* Pages that follow each other within one mapping. */
struct page_range {
	uint64_t address; /* in the image */
	uint64_t from;    /* where they are read: an address of the program's, or an offset in source */
	int source;       /* -1: its memory */
	uint32_t pages;
	bool unreadable;     /* for the program itself: read through /proc/PID/mem */
	bool may_be_missing; /* past the end of a file that is gone: zero */
	int file;            /* open descriptor of the file that a page equal to it is left to, or -1 */
	uint64_t file_offset;
	bool zero_must_be_kept; /* in a file's mapping: a page of zeros is a change */
};

struct job {
	size_t range_first;
	uint32_t range_count;
	uint32_t pages;
	/* All pages are of a file that is in the image, and as it has them: a start may map that instead, and
	 * other images of the file have equal frames of it. */
	bool of_files;
};

struct plan {
	struct page_range *range;
	size_t range_count;
	struct job *job;
	size_t job_count;
	uint32_t job_pages; /* the most that a job has */
	uint64_t pages;
	struct snapimg_guard *guard;
	size_t guard_count;
};

enum status plan_make(const struct remote *remote, const struct mappings *mappings, const struct files *files,
                      uint32_t job_pages, struct plan *ret_plan) __attribute__((warn_unused_result));
enum snapimg_error plan_write_guards(const struct plan *plan, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void plan_free(struct plan *plan);

#endif
