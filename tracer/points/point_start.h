/* The shim's marker of main: an int3 that is no breakpoint of ours. See preload/contract.h. */
#ifndef TRACER_POINTS_POINT_START_H
#define TRACER_POINTS_POINT_START_H

#include "tracer/run.h"

bool is_main_marker(const struct user_regs_struct *registers);

/* The thread is at the marker: freezes it if that is the point, else resumes it. */
enum status main_marker_met(struct run *run, struct tracee *tracee, const struct user_regs_struct *registers)
        __attribute__((warn_unused_result));

#endif
