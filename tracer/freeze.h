/* The point is reached: the process is stopped as a whole, made ready, handed to snapshot_take, and ended. */
#ifndef TRACER_FREEZE_H
#define TRACER_FREEZE_H

#include "run.h"

/* The thread is in a clean ptrace-stop with the registers that it is to be resumed with, and run->trigger
 * is filled. resume_main, environ_cell: as in struct snapshot_request. On success the process is killed
 * (its end is still to be waited for), the summary printed and run->reached set. */
enum status freeze(struct run *run, struct tracee *tracee, bool resume_main, uint64_t environ_cell)
        __attribute__((warn_unused_result));

#endif
