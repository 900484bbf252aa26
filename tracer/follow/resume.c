#include "tracer/follow/resume.h"

#include <errno.h>
#include <sys/ptrace.h>

/* Where no filter stops the calls that matter, every one does. */
static bool watches_every_call(const struct run *run, const struct tracee *tracee)
{
	return run->every_call && run->phase == PHASE_BEFORE && !tracee->process->launching &&
	       (tracee->process->selected || run->options->log);
}

enum status resume(const struct run *run, const struct tracee *tracee, int signal_number)
{
	bool to_call = tracee->awaited != AWAIT_NOTHING || watches_every_call(run, tracee);

	/* Any other trap takes the one that was asked for away (ptrace_stop(), kernel/signal.c). */
	if (run->phase == PHASE_RELEASING || tracee->process->due)
		ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0);
	ptrace(to_call ? PTRACE_SYSCALL : PTRACE_CONT, tracee->tid, 0, signal_number);
	return STATUS_OK;
}

bool tracee_get_registers(const struct tracee *tracee, struct user_regs_struct *ret_registers)
{
	return ptrace(PTRACE_GETREGS, tracee->tid, 0, ret_registers) == 0;
}

void tracee_set_registers(const struct tracee *tracee, const struct user_regs_struct *registers)
{
	ptrace(PTRACE_SETREGS, tracee->tid, 0, registers);
}

bool tracee_is_at_entry(const struct tracee *tracee)
{
	struct __ptrace_syscall_info info = {0};

	return ptrace(PTRACE_GET_SYSCALL_INFO, tracee->tid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}
