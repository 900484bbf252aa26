/*
 * Pages that a process of a tree has as its parent has them are in the image once (FORMAT.md, INHERITED). All
 * processes are stopped, so both are compared as they are: which of them the kernel still shares is nobody's
 * to ask, and equal is equal.
 */
#ifndef TRACER_CAPTURE_STORE_INHERIT_H
#define TRACER_CAPTURE_STORE_INHERIT_H

#include "tracer/capture/memory/page_reader.h"

/* All that is in the image for a process, sorted. */
struct holdings {
	struct held *held;
	size_t count;
};

struct inheriting {
	bool in_tree;
	uint32_t member; /* this process: index of TREE */
	const struct mappings *mappings;
	pid_t parent;                   /* or another process that stands before this one … */
	int memory;                     /* its /proc/PID/mem, or -1, while pages are sorted out */
	const struct holdings *parents; /* … and what is in the image for that; NULL: there is none */
	struct holdings own;            /* in the end */
	bool failed;                    /* out of memory */
};

/* Before the first job, and after the last one. */
void inherit_begin(struct inheriting *inheriting);
void inherit_end(struct inheriting *inheriting);
/* Takes the inherited ones out of the pages of a job. By several threads at once. */
void inherit_sort_out(const struct inheriting *inheriting, struct job_pages *pages);
/* What a job came to; in the order of the jobs. */
void inherit_note(struct inheriting *inheriting, const struct job_pages *pages);
/* When all jobs are noted. */
enum snapimg_error inherit_write(const struct inheriting *inheriting, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void inherit_free(struct inheriting *inheriting);

#endif
