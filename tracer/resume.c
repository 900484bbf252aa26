#include "resume.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "freeze.h"

enum { SYSCALL_INSTRUCTION = 2 /* bytes of `syscall` */ };

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

/* Calls that answer EINTR to a stop, whatever the signal (signal(7), "Interruption of system calls and
 * library functions by stop signals"). */
static bool is_interrupted_by_stops(long number)
{
	static const long calls[] = {
	        SYS_epoll_wait, SYS_epoll_pwait,     SYS_epoll_pwait2, SYS_semop,
	        SYS_semtimedop, SYS_rt_sigtimedwait, SYS_io_getevents, SYS_io_pgetevents,
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (calls[i] == number)
			return true;
	return false;
}

/* The kernel's own codes show in rax while a thread is stopped inside a call (include/linux/errno.h). */
static bool is_restart_code(int64_t result)
{
	return result == -512 || result == -513 || result == -514 || result == -516;
}

bool make_call_anew(struct user_regs_struct *registers)
{
	int64_t number = (int64_t)registers->orig_rax, result = (int64_t)registers->rax;

	if (number < 0 ||
	    !(is_restart_code(result) || (result == -EINTR && is_interrupted_by_stops((long)number))))
		return false;
	registers->rax = registers->orig_rax;
	registers->rip -= SYSCALL_INSTRUCTION;
	registers->orig_rax = (unsigned long long)-1;
	return true;
}

enum status freeze_anywhere(struct run *run, struct tracee *tracee, const struct point *point)
{
	struct user_regs_struct registers, before;

	if (!tracee_get_registers(tracee, &before))
		return STATUS_OK;
	registers = before;
	/* One that goes on is restarted by the kernel itself, which knows how much of a sleep is left. */
	struct arrival arrival = {.point = point,
	                          .go_on_with = is_restart_code((int64_t)before.rax) ? &before : NULL};
	if (make_call_anew(&registers))
		tracee_set_registers(tracee, &registers);
	else
		arrival.go_on_with = NULL;
	return freeze(run, tracee, &arrival);
}
