#include "tracer/ptrace/breakpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracer/ptrace/memory.h"

static const uint8_t int3 = 0xcc;

static enum status failed(const struct process *process, uint64_t address)
{
	if (errno == ESRCH)
		return STATUS_OK; /* it was killed; its end is reported by wait */
	return fail(STATUS_FAILED, "breakpoint at 0x%" PRIx64 ": process %d has no code there: %s", address,
	            process->pid, strerror(errno));
}

static enum status put_byte(const struct process *process, uint64_t address, uint8_t byte)
{
	return tracee_write(process->pid, address, &byte, 1) < 0 ? failed(process, address) : STATUS_OK;
}

enum status breakpoint_plant(struct process *process, enum breakpoint_use use, uint64_t address,
                             const struct point *point)
{
	struct breakpoint *free_slot = breakpoint_at(process, address);
	char path[PATH_MAX];
	bool executable = false;

	if (tracee_mapping(process->pid, address, &executable, path, sizeof(path)) < 0 || !executable)
		return fail(STATUS_FAILED, "breakpoint at 0x%" PRIx64 ": process %d has no code there",
		            address, process->pid);
	if (free_slot && (free_slot->use == use || free_slot->use == BREAKPOINT_POINT))
		return STATUS_OK; /* of two points at one place the first is met */
	if (free_slot && free_slot->use != BREAKPOINT_SPENT)
		return fail(STATUS_FAILED, "breakpoint at 0x%" PRIx64 ": there is one already", address);
	for (size_t i = 0; !free_slot && i < BREAKPOINTS_MAX; i++)
		if (process->breakpoints[i].use == BREAKPOINT_UNUSED)
			free_slot = &process->breakpoints[i];
	if (!free_slot)
		return fail(STATUS_FAILED, "breakpoint at 0x%" PRIx64 ": too many breakpoints", address);
	if (tracee_read(process->pid, address, &free_slot->original, 1) < 0)
		return failed(process, address);
	free_slot->use = use;
	free_slot->address = address;
	free_slot->point = point;
	if (use == BREAKPOINT_POINT)
		explain("a breakpoint at 0x%" PRIx64 " in %s", address, path);
	return put_byte(process, address, int3);
}

struct breakpoint *breakpoint_at(struct process *process, uint64_t address)
{
	for (size_t i = 0; i < BREAKPOINTS_MAX; i++)
		if (process->breakpoints[i].use != BREAKPOINT_UNUSED &&
		    process->breakpoints[i].address == address)
			return &process->breakpoints[i];
	return NULL;
}

enum status breakpoint_take_out(struct process *process, struct breakpoint *breakpoint)
{
	if (breakpoint->use == BREAKPOINT_SPENT)
		return STATUS_OK;
	breakpoint->use = BREAKPOINT_SPENT;
	return put_byte(process, breakpoint->address, breakpoint->original);
}

enum status breakpoint_take_out_all(struct process *process)
{
	for (size_t i = 0; i < BREAKPOINTS_MAX; i++) {
		enum status status;

		if (process->breakpoints[i].use != BREAKPOINT_UNUSED &&
		    (status = breakpoint_take_out(process, &process->breakpoints[i])) != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* No mask holds SIGSTOP back: it is delivered, and the step made in the group-stop all the same. */
static bool try_again(pid_t tid, int wait_status)
{
	uintptr_t deliver = wait_status >> 8 == SIGSTOP ? SIGSTOP : 0;

	return ptrace(PTRACE_SINGLESTEP, tid, 0, deliver) == 0;
}

static bool is_other_stop(int wait_status)
{
	return WIFSTOPPED(wait_status) &&
	       (wait_status >> 8 == SIGSTOP || wait_status >> 16 == PTRACE_EVENT_STOP);
}

/* All signals are blocked for the step, so that it is the instruction that is stepped and no handler. */
enum status breakpoint_step_over(struct tracee *tracee, const struct breakpoint *breakpoint, bool *ret_ended,
                                 int *ret_wait_status)
{
	struct process *process = tracee->process;
	const uint64_t all = UINT64_MAX;
	enum status status;
	uint64_t mask;
	bool stopped = false;
	int wait_status;

	*ret_ended = false;
	if ((status = put_byte(process, breakpoint->address, breakpoint->original)) != STATUS_OK)
		return status;
	if (ptrace(PTRACE_GETSIGMASK, tracee->tid, sizeof(mask), &mask) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, tracee->tid, sizeof(all), &all) < 0 ||
	    ptrace(PTRACE_SINGLESTEP, tracee->tid, 0, 0) < 0)
		return failed(process, breakpoint->address);
	for (;;) {
		while (waitpid(tracee->tid, &wait_status, __WALL) < 0)
			if (errno != EINTR)
				return failed(process, breakpoint->address);
		if (!is_other_stop(wait_status) || !try_again(tracee->tid, wait_status))
			break;
		stopped = true;
	}
	if (!WIFSTOPPED(wait_status)) {
		*ret_ended = true;
		*ret_wait_status = wait_status;
		return STATUS_OK;
	}
	if (ptrace(PTRACE_SETSIGMASK, tracee->tid, sizeof(mask), &mask) < 0)
		return failed(process, breakpoint->address);
	if (stopped) /* its next stop tells whether the process is stopped still */
		ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0);
	return put_byte(process, breakpoint->address, int3);
}
