/* The shim's marker of main: an int3 that is no breakpoint of ours. See preload/contract.h. */
#ifndef TRACER_POINTS_POINT_START_H
#define TRACER_POINTS_POINT_START_H

#include "tracer/run.h"

bool is_main_marker(const struct user_regs_struct *registers);

/* The thread is at the marker: fills *ret_arrival if that is the point. */
enum status main_marker_met(struct run *run, struct tracee *tracee, const struct user_regs_struct *registers,
                            struct arrival *ret_arrival) __attribute__((warn_unused_result));

#endif
