#include "tracer/follow/release.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "tracer/follow/interrupt.h"
#include "tracer/processor/held.h"
#include "tracer/processor/sites.h"
#include "tracer/ptrace/breakpoint.h"
#include "tracer/ptrace/remote.h"

void release_begin(struct run *run, enum status outcome)
{
	if (run->phase == PHASE_RELEASING)
		return;
	run->phase = PHASE_RELEASING;
	run->outcome = outcome;
	for (struct tracee *tracee = tracee_next(NULL); tracee; tracee = tracee_next(tracee))
		ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0); /* one in a stop gets it when that ends */
}

static enum status remove_guard(struct tracee *tracee)
{
	struct process *process = tracee->process;
	const uint64_t arguments[6] = {process->guard_start, process->guard_end - process->guard_start};
	int64_t result;
	enum status status;

	if (process->guard_start == process->guard_end)
		return STATUS_OK;
	status = remote_call_once(tracee->tid, &process->gate, SYS_munmap, arguments, &result);
	process->guard_start = process->guard_end = 0;
	return status;
}

enum status release_clean(struct tracee *tracee)
{
	enum status status = breakpoint_take_out_all(tracee->process);

	if (status == STATUS_OK)
		status = sites_take_out(tracee);
	if (status == STATUS_OK)
		status = held_give(tracee);
	return status == STATUS_OK ? remove_guard(tracee) : status;
}

enum status release(struct run *run, struct tracee *tracee)
{
	enum status status = release_clean(tracee);

	(void)run;
	ptrace(PTRACE_DETACH, tracee->tid, 0, 0);
	tracee_remove(tracee);
	return status;
}

void release_unstoppable(struct run *run)
{
	struct tracee *next;

	for (struct tracee *tracee = tracee_next(NULL); tracee; tracee = next) {
		enum status status = STATUS_OK;

		next = tracee_next(tracee);
		if (!interrupt_asked() && !tracee_waits_in_vfork(tracee))
			continue;
		status = breakpoint_take_out_all(
		        tracee->process); /* a running process's memory can be written, too */
		if (status != STATUS_OK)
			run->outcome = status;
		tracee_remove(tracee);
	}
}
