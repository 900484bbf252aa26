/*
 * Reads, sorts out, compresses and writes the planned pages, all at the same
 * time: each worker takes a job through to its stored bytes, the caller's
 * thread writes them in the order of the jobs.
 */
#ifndef TRACER_CAPTURE_STORE_PIPELINE_H
#define TRACER_CAPTURE_STORE_PIPELINE_H

#include "tracer/capture/memory/page_reader.h"
#include "tracer/capture/snapshot.h"
#include "tracer/capture/store/inherit.h"

struct pipeline_totals {
	uint64_t stored_pages, zero_pages, file_pages;
	uint64_t inherited_pages; /* stored with another process of the tree */
};

/* Is shown what each job came to, by the worker that read it, before inherited pages are taken out. */
struct page_observer {
	void (*look)(void *context, const struct job_pages *pages);
	void *context;
};

/* The caller's thread only is a tracer; the workers need no more than to read the memory. A sink's failure
 * comes back as SNAPIMG_ERR_SINK in *ret_error with STATUS_OK: the sink knows the reason. */
enum status pipeline_run(pid_t pid, const struct plan *plan, const struct snapshot_output *output,
                         struct page_observer observer, struct inheriting *inheriting,
                         struct snapimg_writer *writer, struct pipeline_totals *ret_totals,
                         enum snapimg_error *ret_error) __attribute__((warn_unused_result));

/* After the last run: gives the buffers back, which stay from one to the next. */
void pipeline_end(void);

#endif
