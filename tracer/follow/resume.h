/* Every ptrace-stop ends here: the thread goes on. */
#ifndef TRACER_FOLLOW_RESUME_H
#define TRACER_FOLLOW_RESUME_H

#include "tracer/run.h"

/* Lets the thread run to its next event, with a signal (0: none). ESRCH is no failure: it was killed
 * meanwhile, and wait tells. */
enum status resume(const struct run *run, const struct tracee *tracee, int signal_number);

/* False where the thread is gone. */
bool tracee_get_registers(const struct tracee *tracee, struct user_regs_struct *ret_registers);
void tracee_set_registers(const struct tracee *tracee, const struct user_regs_struct *registers);
/* In a syscall-stop: before the call, not behind it. Linux 5.3. Only asked where every call stops. */
bool tracee_is_at_entry(const struct tracee *tracee);

#endif
