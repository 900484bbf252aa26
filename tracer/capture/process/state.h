/* Everything of a process that is not memory, a descriptor or of one thread: signals, prctl(2) state, … */
#ifndef TRACER_CAPTURE_PROCESS_STATE_H
#define TRACER_CAPTURE_PROCESS_STATE_H

#include <stdbool.h>

#include "format/image/layout.h"
#include "format/image/writer.h"
#include "tracer/capture/refuse.h"

/* How calls are made in the target, and a page of its memory they may write their results to. */
struct helper {
	pid_t pid;
	uint64_t gate;
	uint64_t scratch;     /* 0: none */
	bool dumpable_forced; /* the program had said PR_SET_DUMPABLE 0 */
};

struct process_state {
	struct snapimg_process process; /* strings: set when it's written */
	struct snapimg_machine machine; /* but the vdso */
	struct snapimg_sigaction signals[64];
	size_t signal_count;
	struct text arguments, environment, auxv;
	char executable[4096];
	char cwd[4096]; /* "": the caller's */
};

/* Reading /proc of a process that made itself undumpable is for root only: undone in helper_leave(). */
enum status helper_enter(pid_t pid, uint64_t gate, struct helper *ret_helper)
        __attribute__((warn_unused_result));
/* Maps the scratch page; after the mappings were read, so that it's not among them. */
enum status helper_map_scratch(struct helper *helper) __attribute__((warn_unused_result));
enum status helper_leave(struct helper *helper) __attribute__((warn_unused_result));

/* Makes a system call in the target; a call that fails is no failure of this function. */
enum status helper_call(const struct helper *helper, int64_t *ret_result, long number, uint64_t a, uint64_t b,
                        uint64_t c, uint64_t d) __attribute__((warn_unused_result));

/* A call that writes `size` bytes to the scratch page and answers 0, which must not fail; `what` is for the
 * message. */
enum status helper_fetch(const struct helper *helper, const char *what, void *result, size_t size,
                         long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
        __attribute__((warn_unused_result));

/* Needs the scratch page. Refuses what can't be carried. */
enum status process_state_read(const struct subject *subject, const struct helper *helper,
                               struct process_state *state) __attribute__((warn_unused_result));

enum snapimg_error process_state_write(const struct process_state *state, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void process_state_free(struct process_state *state);

#endif
