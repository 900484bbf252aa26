/* Reads pages of the target and drops those that need not be stored. Used by several threads at once. */
#ifndef TRACER_CAPTURE_MEMORY_PAGE_READER_H
#define TRACER_CAPTURE_MEMORY_PAGE_READER_H

#include "tracer/capture/memory/plan.h"

struct page_reader {
	pid_t pid;
	int memory;     /* /proc/PID/mem */
	bool is_shared; /* it shares pages with others of its tree, to be written by none */
	const struct plan *plan;
};

/* Pages that are in the image for a process. */
struct held {
	uint64_t address;
	uint32_t pages;
	uint32_t member; /* in whose image: index of TREE */
};

/* What a job came to: the bytes of its DATA runs, packed, and its runs. */
struct job_pages {
	uint8_t *bytes;      /* room for a job of the plan */
	uint8_t *file_bytes; /* the same, to compare with files */
	struct snapimg_run run[JOB_PAGES_MAX];
	uint32_t run_count;
	uint32_t stored_pages, zero_pages, file_pages;
	/* Of another process's image, and in none of the runs (store/inherit.h). */
	struct held inherited[JOB_PAGES_MAX];
	uint32_t inherited_count;
	int error;              /* 0 or an errno … */
	uint64_t error_address; /* … and where */
};

enum status page_reader_open(pid_t pid, bool is_shared, const struct plan *plan,
                             struct page_reader *ret_reader) __attribute__((warn_unused_result));
void page_reader_close(struct page_reader *reader);

/* Reads up to `count` pages by the file: process_vm_readv(2) pins what it reads, and a page that processes
 * still share after a fork is copied for that (gup_must_unshare(), mm/internal.h; Linux 5.19). How many whole
 * pages; 0 if none. */
uint32_t read_shared_pages(int memory, uint64_t address, uint32_t count, void *to);

/* Fills everything of *pages but its buffers. */
void page_reader_read(const struct page_reader *reader, const struct job *job, struct job_pages *pages);

#endif
