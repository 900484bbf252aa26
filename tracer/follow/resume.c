#include "tracer/follow/resume.h"

#include <errno.h>
#include <sys/ptrace.h>

/* Where no filter stops the calls that matter, every one does. */
static bool watches_every_call(const struct run *run, const struct tracee *tracee)
{
	return run->every_call && run->phase == PHASE_BEFORE && !tracee->process->launching &&
	       (tracee->process->choice.state == CHOICE_COUNTS || run->options->log);
}

static bool watches_copies(const struct run *run, const struct tracee *tracee)
{
	return tracee->process->copies.count > 0 && run->phase == PHASE_BEFORE && !tracee->process->launching;
}

enum status resume(const struct run *run, const struct tracee *tracee, int signal_number)
{
	bool to_call = tracee->awaited != AWAIT_NOTHING || watches_every_call(run, tracee) ||
	               watches_copies(run, tracee);

	/* Any other trap takes the one that was asked for away (ptrace_stop(), kernel/signal.c). */
	if (run->phase == PHASE_RELEASING || tracee->process->due)
		ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0);
	ptrace(to_call ? PTRACE_SYSCALL : PTRACE_CONT, tracee->tid, 0, signal_number);
	return STATUS_OK;
}
