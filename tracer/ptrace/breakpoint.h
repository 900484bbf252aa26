/* int3 in a target's code. The process must be stopped for each of these. */
#ifndef TRACER_POINTS_BREAKPOINT_H
#define TRACER_POINTS_BREAKPOINT_H

#include "tracer/ptrace/tracee.h"

/* Plants one; where there is one of the same use already, that one serves. point: BREAKPOINT_POINT's, else
 * NULL. Fails (STATUS_FAILED, with a line) where the address isn't mapped or no slot is left. */
enum status breakpoint_plant(struct process *process, enum breakpoint_use use, uint64_t address,
                             const struct point *point) __attribute__((warn_unused_result));

/* The one at an address, a spent one too, or NULL. */
struct breakpoint *breakpoint_at(struct process *process, uint64_t address);

/* Puts the program's own byte back; the breakpoint is spent. */
enum status breakpoint_take_out(struct process *process, struct breakpoint *breakpoint)
        __attribute__((warn_unused_result));
enum status breakpoint_take_out_all(struct process *process) __attribute__((warn_unused_result));

/* Lets a thread that hit the breakpoint run the instruction under it; the breakpoint stays. *ret_ended is
 * true when the thread ended in the step (its wait status is consumed and stored in *ret_wait_status). */
enum status breakpoint_step_over(struct tracee *tracee, const struct breakpoint *breakpoint, bool *ret_ended,
                                 int *ret_wait_status) __attribute__((warn_unused_result));

#endif
