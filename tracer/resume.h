/* Every ptrace-stop ends here: the thread goes on. */
#ifndef TRACER_RESUME_H
#define TRACER_RESUME_H

#include "run.h"

/* Lets the thread run to its next event, with a signal (0: none). ESRCH is no failure: it was killed
 * meanwhile, and wait tells. */
enum status resume(const struct run *run, const struct tracee *tracee, int signal_number);

/* False where the thread is gone. */
bool tracee_get_registers(const struct tracee *tracee, struct user_regs_struct *ret_registers);
void tracee_set_registers(const struct tracee *tracee, const struct user_regs_struct *registers);

/*
 * Registers of a thread that was stopped anywhere become those that it can be resumed with: a system call
 * that our stop interrupted is made anew. Returns false where nothing had to be changed.
 */
bool make_call_anew(struct user_regs_struct *registers);

/* Freezes the process of a thread that was stopped by something else than a call or a breakpoint, for
 * `point`, and consumes the stop as freeze() does. */
enum status freeze_anywhere(struct run *run, struct tracee *tracee, const struct point *point)
        __attribute__((warn_unused_result));

#endif
