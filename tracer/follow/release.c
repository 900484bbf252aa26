#include "tracer/follow/release.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

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
	status = inject_syscall(tracee->tid, process->gate, SYS_munmap, arguments, &result);
	process->guard_start = process->guard_end = 0;
	return status;
}

enum status release_clean(struct tracee *tracee)
{
	enum status status = breakpoint_take_out_all(tracee->process);

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
