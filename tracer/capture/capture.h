/* What the parts of a snapshot hand on: capture/'s own. */
#ifndef TRACER_CAPTURE_CAPTURE_H
#define TRACER_CAPTURE_CAPTURE_H

#include "tracer/capture/fds/table.h"
#include "tracer/capture/identify.h"
#include "tracer/capture/identity/kept.h"
#include "tracer/capture/identity/outside.h"
#include "tracer/capture/ipc.h"
#include "tracer/capture/memory/mappings.h"
#include "tracer/capture/memory/shared.h"
#include "tracer/capture/process/attributes.h"
#include "tracer/capture/process/clocks.h"
#include "tracer/capture/process/state.h"
#include "tracer/capture/process/timers.h"
#include "tracer/capture/root.h"
#include "tracer/capture/snapshot.h"
#include "tracer/capture/store/pipeline.h"
#include "tracer/capture/threads/threads.h"

/* All that is gathered about the target before a byte is written. */
struct capture {
	const struct snapshot_request *request;
	struct snapshot_output output; /* as asked for, and what was left to choose */
	struct subject subject;
	struct known_hashes *known;    /* of the tree */
	const struct proc_stat *first; /* of the tree's first process, or its own: what it made is younger */
	struct remote remote;
	struct maps maps;
	struct files files;
	struct mappings mappings;
	struct shared shared;
	struct descriptors descriptors;
	struct fixups fixups;
	struct snapimg_shim shim; /* size 0: none */
	uint8_t vdso[16 * SNAPIMG_PAGE_SIZE];
	size_t vdso_size; /* 0: none */
	struct process_state state;
	struct threads threads;
	struct attributes attributes;
	struct timers timers;
	struct snapimg_clocks clocks;
	struct plan plan;
	struct pipeline_totals totals;
	struct inheriting inheriting;
	struct id_search search;
	struct kept_ids kept;
	struct root root;
};

/* Those of a tree, the first is its root. */
struct captures {
	struct capture **capture;
	size_t count;
	const struct snapshot_tree *tree;
	struct ipc ipc; /* in the first one's image */
	struct known_hashes known;
};

void capture_free(struct capture *capture);
/* Until one fails. */
enum status captures_each(struct captures *captures, enum status (*function)(struct capture *))
        __attribute__((warn_unused_result));

/* Refuses what can't be carried, first by what needs nothing of the target. */
enum status capture_examine(struct capture *capture) __attribute__((warn_unused_result));
/* Reads all but the pages' bytes; what is refused has its line. */
enum status captures_gather(struct captures *captures) __attribute__((warn_unused_result));
/* Writes the image, which appears under its name when it is whole. */
enum status captures_publish(struct captures *captures, struct snapshot_result *result)
        __attribute__((warn_unused_result));
enum status capture_output_failed(const char *path, int error) __attribute__((warn_unused_result));

#endif
