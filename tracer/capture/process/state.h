/* Everything of a process that is not memory, a descriptor or of one thread: signals, prctl(2) state, … */
#ifndef TRACER_CAPTURE_PROCESS_STATE_H
#define TRACER_CAPTURE_PROCESS_STATE_H

#include <stdbool.h>

#include "format/image/layout.h"
#include "format/image/writer.h"
#include "tracer/capture/refuse.h"
#include "tracer/ptrace/remote.h"

struct process_state {
	struct snapimg_process process; /* strings: set when it's written */
	struct snapimg_machine machine; /* but the vdso */
	struct snapimg_processor processor;
	struct snapimg_sigaction signals[64];
	size_t signal_count;
	struct text arguments, environment, auxv;
	char executable[4096];
	char cwd[4096]; /* "": the caller's */
};

/* Needs the scratch page. Refuses what can't be carried. */
enum status process_state_read(const struct subject *subject, const struct remote *remote,
                               struct process_state *state) __attribute__((warn_unused_result));

enum snapimg_error process_state_write(const struct process_state *state, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void process_state_free(struct process_state *state);

#endif
