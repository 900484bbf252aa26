/* The processes of a tree: which they are, and that all stand. */
#ifndef TRACER_FOLLOW_TREE_H
#define TRACER_FOLLOW_TREE_H

#include "tracer/capture/snapshot.h"
#include "tracer/ptrace/stop_threads.h"
#include "tracer/run.h"

struct tree_process {
	struct snapimg_member record; /* without what its image is */
	uint64_t start_time;
	struct tracee *tracee; /* its main thread, or one that lives; NULL: a zombie */
	struct stopped_threads threads;
};

struct tree {
	struct tree_process *process; /* the first is the root; each after its parent */
	size_t count;
};

/* The process of `point` stands with all its threads, which the tree takes over. It is the root, or with
 * --whole PROG. Stops all the root's descendants; those of PROG are all processes that are followed.
 * *ret_tree holds what was stopped on a failure, too. */
enum status tree_stop(const struct run *run, const struct tracee *point, const struct stop_means *means,
                      struct stopped_threads *threads, struct tree *ret_tree)
        __attribute__((warn_unused_result));
/* Where that has not come to these: for who lets all go on. Returns `status`, or why it can't. */
enum status tree_add(struct tree *tree, struct tracee *tracee, struct stopped_threads *threads,
                     enum status status) __attribute__((warn_unused_result));
void tree_free(struct tree *tree);

#endif
