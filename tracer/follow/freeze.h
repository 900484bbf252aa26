/* The point is reached: the process is stopped as a whole, made ready, handed to snapshot_take, and ended. */
#ifndef TRACER_FOLLOW_FREEZE_H
#define TRACER_FOLLOW_FREEZE_H

#include "tracer/run.h"

/* The thread is in a clean ptrace-stop with the registers that it is to be resumed with, and run->trigger
 * is filled. On success the image is written and its summary printed, and run->phase is PHASE_REACHED; the
 * process is killed (its end is still to be waited for), or with --continue everything is on its way to be
 * released (release.h) and the thread is to be resumed. */
enum status freeze(struct run *run, struct tracee *tracee, const struct arrival *arrival)
        __attribute__((warn_unused_result));

#endif
