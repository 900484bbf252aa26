#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracer/follow/events.h"
#include "tracer/follow/freeze.h"
#include "tracer/follow/release.h"
#include "tracer/follow/resume.h"
#include "tracer/points/point_signal.h"
#include "tracer/points/point_start.h"
#include "tracer/points/point_symbol.h"
#include "tracer/processor/held.h"
#include "tracer/ptrace/breakpoint.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/restart_x86_64.h"

/* A thread of its own process may have hit it, or one of a process whose memory is a copy of another's. */
static struct breakpoint *find_breakpoint(struct process *process, uint64_t address)
{
	struct breakpoint *own = breakpoint_at(process, address);
	uint8_t byte;

	for (struct tracee *other = tracee_next(NULL); !own && other; other = tracee_next(other)) {
		const struct breakpoint *copied = breakpoint_at(other->process, address);

		if (!copied || tracee_read(process->pid, address, &byte, 1) < 0 || byte != 0xcc)
			continue;
		memcpy(process->breakpoints, other->process->breakpoints, sizeof(process->breakpoints));
		own = breakpoint_at(process, address);
	}
	return own;
}

static enum status resume_over(struct run *run, struct tracee *tracee, struct breakpoint *breakpoint)
{
	enum status status;
	int end_status;
	bool ended;

	if (breakpoint->use == BREAKPOINT_SPENT)
		return resume(run, tracee, 0);
	if ((status = breakpoint_step_over(tracee, breakpoint, &ended, &end_status)) != STATUS_OK)
		return status;
	return ended ? on_end(run, tracee, end_status) : resume(run, tracee, 0);
}

static enum status on_breakpoint(struct run *run, struct tracee *tracee, struct breakpoint *breakpoint)
{
	enum status status = STATUS_OK;

	if (!run_wants(run, tracee))
		status = breakpoint_take_out(tracee->process, breakpoint);
	else if (breakpoint->use == BREAKPOINT_POINT && run_counts(run, tracee, breakpoint->point)) {
		struct arrival arrival = breakpoint->point->kind->hit(run, tracee, breakpoint);

		return freeze(run, tracee, &arrival);
	} else if (breakpoint->use == BREAKPOINT_ENTRY || breakpoint->use == BREAKPOINT_LOADED)
		status = point_symbol_search(run, tracee->process, breakpoint);
	return status != STATUS_OK ? status : resume_over(run, tracee, breakpoint);
}

static enum status on_main_marker(struct run *run, struct tracee *tracee,
                                  const struct user_regs_struct *registers)
{
	struct arrival arrival = {0};
	enum status status = main_marker_met(run, tracee, registers, &arrival);

	if (status != STATUS_OK)
		return status;
	return arrival.point ? freeze(run, tracee, &arrival) : resume(run, tracee, 0);
}

/* An int3 of the kernel's making (do_int3, arch/x86/kernel/traps.c, signals it without details): ours, the
 * shim's, or else the program's own, which is its business. */
static enum status on_int3(struct run *run, struct tracee *tracee)
{
	struct user_regs_struct registers;
	struct breakpoint *breakpoint;

	if (!tracee_get_registers(tracee, &registers))
		return STATUS_OK;
	if ((breakpoint = find_breakpoint(tracee->process, registers.rip - 1))) {
		registers.rip--;
		tracee_set_registers(tracee, &registers);
		return on_breakpoint(run, tracee, breakpoint);
	}
	if (tracees_answer_int3 && tracees_answer_int3(tracee, &registers))
		return resume(run, tracee, 0);
	if (is_main_marker(&registers))
		return on_main_marker(run, tracee, &registers);
	return resume(run, tracee, SIGTRAP);
}

static const struct point *find_signal_point(struct run *run, struct tracee *tracee, int number)
{
	if (!run_wants(run, tracee))
		return NULL;
	for (unsigned i = 0; i < run->points.count; i++) {
		const struct point *point = &run->points.point[i];

		if (point_signal_is(point, number) && run_counts(run, tracee, point))
			return point;
	}
	return NULL;
}

/* A signal about to be delivered: handed on; its siginfo stays with it as long as the number is the same. */
enum status on_signal(struct run *run, struct tracee *tracee, int status)
{
	const struct point *point;
	siginfo_t info;

	if (WSTOPSIG(status) == SIGSEGV && run->options->cpu_level &&
	    ptrace(PTRACE_GETSIGINFO, tracee->tid, 0, &info) == 0) {
		bool jumped;
		enum status held = held_jump(tracee, &info, &jumped);

		if (held != STATUS_OK || jumped)
			return held != STATUS_OK ? held : resume(run, tracee, 0);
	}
	if (WSTOPSIG(status) == SIGTRAP && ptrace(PTRACE_GETSIGINFO, tracee->tid, 0, &info) == 0 &&
	    info.si_code == SI_KERNEL)
		return on_int3(run, tracee);
	if ((point = find_signal_point(run, tracee, WSTOPSIG(status)))) {
		char name[16];

		signal_name(name, sizeof(name), WSTOPSIG(status));
		snprintf(run->trigger, sizeof(run->trigger), "SIG%s was sent to it", name);
		return freeze(run, tracee, &(struct arrival){.point = point});
	}
	return resume(run, tracee, WSTOPSIG(status));
}

/* A group-stop: the thread stays stopped but hears SIGCONT. Where the terminal stopped PROG, which shares our
 * place in its shell's job, the job is to look stopped; the shell's SIGCONT is for both of us. */
static enum status on_group_stop(struct run *run, struct tracee *tracee, int number)
{
	ptrace(PTRACE_LISTEN, tracee->tid, 0, 0);
	if (tracee->tid == run->root && (number == SIGTSTP || number == SIGTTIN || number == SIGTTOU) &&
	    !run->options->attach && getpgid(run->root) == getpgrp())
		raise(SIGSTOP);
	return STATUS_OK;
}

/* A stop that we asked for, a group-stop, in which the thread stays stopped but hears SIGCONT, or a birth, or
 * the end of a group-stop. */
enum status on_stop(struct run *run, struct tracee *tracee, int status)
{
	const struct point *due = tracee->process->due;
	struct user_regs_struct registers;

	if (run->phase == PHASE_RELEASING)
		return release(run, tracee);
	tracee->process->due = NULL;
	if (due && run_wants(run, tracee) && run_counts(run, tracee, due))
		return freeze(run, tracee, &(struct arrival){.point = due});
	if (WSTOPSIG(status) != SIGTRAP)
		return on_group_stop(run, tracee, WSTOPSIG(status));
	/* Our stop must not show as EINTR. */
	if (run->options->attach && tracee_get_registers(tracee, &registers) &&
	    (int64_t)registers.rax == -EINTR && restart_call(&registers, BY_STOP) >= 0)
		tracee_set_registers(tracee, &registers);
	return resume(run, tracee, 0);
}
