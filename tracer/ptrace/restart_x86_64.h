/*
 * Registers that were read at a ptrace-stop become ready to be resumed by a
 * thread of another process: what the kernel would still have done on the way
 * back to the program (arch/x86/kernel/signal.c, kernel/rseq.c) is done here.
 */
#ifndef TRACER_PTRACE_RESTART_X86_64_H
#define TRACER_PTRACE_RESTART_X86_64_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "format/base/message.h"

/* What ends the call that a thread is in: nothing but our stop, or a signal that has a handler. */
enum interruption { BY_STOP, BY_HANDLER, BY_RESTARTING_HANDLER /* SA_RESTART */ };

/*
 * Makes an interrupted call again as the kernel would, or gives it its EINTR where the handler of a signal
 * under way asks for that. Calls that end with EINTR for a stop alone (signal(7)) are made again, too. Time
 * limits: see restart_x86_64.c. Returns the number of the call that is made again, or -1.
 */
long restart_call(struct user_regs_struct *registers, enum interruption by);

/* A thread within a restartable sequence goes to its abort handler. address: of struct rseq, or 0. */
void restart_abort_rseq(pid_t tid, uint64_t address, struct user_regs_struct *registers);

/* Steps a stopped thread out of [start, end), the vdso: it may hold a part of the kernel's clock data of
 * another boot. Registers have to be read again afterwards if *ret_moved. */
enum status restart_leave_vdso(pid_t tid, uint64_t start, uint64_t end, bool *ret_moved)
        __attribute__((warn_unused_result));

#endif
