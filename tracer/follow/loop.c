#include "tracer/follow/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "format/base/proc.h"
#include "format/base/progress.h"
#include "tracer/follow/choice.h"
#include "tracer/follow/events.h"
#include "tracer/follow/interrupt.h"
#include "tracer/follow/release.h"
#include "tracer/follow/tick.h"

enum { SYSCALL_STOP = SIGTRAP | 0x80 };

struct event {
	enum { EVENT_NONE_LEFT, EVENT_TICK, EVENT_OF_THREAD } kind;
	pid_t tid;
	int status;
};

/* By the event in the third byte of the wait status (ptrace(2)). */
static const struct {
	int event;
	event_handler *handler;
} handlers[] = {
        {PTRACE_EVENT_EXEC, on_exec},
        {PTRACE_EVENT_FORK, on_birth},
        {PTRACE_EVENT_VFORK, on_birth},
        {PTRACE_EVENT_CLONE, on_birth},
        {PTRACE_EVENT_VFORK_DONE, on_vfork_done},
        {PTRACE_EVENT_SECCOMP, on_watched_call},
        {PTRACE_EVENT_STOP, on_stop},
};

static event_handler *handler_of(int status)
{
	if (!WIFSTOPPED(status))
		return on_end;
	if (WSTOPSIG(status) == SYSCALL_STOP)
		return on_syscall_stop;
	for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++)
		if (status >> 16 == handlers[i].event)
			return handlers[i].handler;
	return on_signal;
}

enum status answer_event(struct run *run, struct tracee *tracee, int status)
{
	return handler_of(status)(run, tracee, status);
}

static struct event next_event(void)
{
	struct event event = {.kind = EVENT_OF_THREAD};

	if (tick_came()) { /* the wait is never interrupted where something always happens */
		event.kind = EVENT_TICK;
		return event;
	}
	event.tid = tracees_wait(&event.status);
	if (event.tid < 0)
		event.kind = errno == EINTR ? EVENT_TICK : EVENT_NONE_LEFT; /* ECHILD */
	return event;
}

static bool is_due(struct run *run, struct process *process, double now)
{
	for (unsigned i = 0; i < run->points.count; i++) {
		const struct point *point = &run->points.point[i];

		if (!point->kind->is_due || run->looked[point->index] ||
		    !point->kind->is_due(run, point, process, now))
			continue;
		process->due = point;
		return true;
	}
	return false;
}

static void take_back(const struct tracee *due)
{
	if (due)
		due->process->due = NULL;
}

/* By another thread where the main thread has ended, which can be asked in vain. */
static void interrupt_process(const struct tracee *leader)
{
	struct proc_stat stat;
	bool lives = proc_try_read_stat(leader->tid, &stat) < 0 || stat.state != 'Z';

	for (struct tracee *tracee = tracee_next(NULL); tracee; tracee = tracee_next(tracee))
		if (lives ? tracee == leader : tracee->process == leader->process)
			ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0);
}

/* A process that is due is stopped, and frozen when it stands; a thread in vfork can't be, but its child ends
 * that. */
static void look_for_due(struct run *run, double now)
{
	struct tracee *oldest = NULL; /* the last one found: its descendants go into the image with it */

	for (struct tracee *tracee = tracee_next(NULL); tracee; tracee = tracee_next(tracee)) {
		if (tracee->tid != tracee->process->pid || !run_wants(run, tracee))
			continue;
		if (tracee->process->due && !tracee_waits_in_vfork(tracee)) { /* it stops soon */
			take_back(oldest);
			return;
		}
		if (!tracee->process->due && is_due(run, tracee->process, now)) {
			take_back(oldest);
			oldest = tracee;
		}
	}
	if (oldest)
		interrupt_process(oldest);
}

/* What goes by the clock, and signals that were only noted. */
static enum status on_tick(struct run *run)
{
	const struct options *options = run->options;
	double now = monotonic_seconds();

	if (interrupt_asked() && run->phase == PHASE_BEFORE)
		release_begin(run, fail(STATUS_FAILED,
		                        "ended by a signal: no image was written: process %d goes on",
		                        options->attach));
	if (run->phase == PHASE_BEFORE && options->check && now - run->began >= options->timeout) {
		run->phase = PHASE_REACHED; /* that was all */
		return STATUS_OK;
	}
	if (run->phase == PHASE_BEFORE && options->timeout > 0 && now - run->began >= options->timeout)
		return fail(STATUS_TIMED_OUT, "no point was reached within %g s: see --timeout",
		            options->timeout);
	if (run->phase == PHASE_RELEASING && options->attach)
		release_unstoppable(run);
	look_for_due(run, now);
	return STATUS_OK;
}

/* Of a process that isn't traced: an exec or an end had taken a thread with it, or PROG goes on without us.
 */
static bool note_untraced(struct run *run, const struct event *event)
{
	if (WIFSTOPPED(event->status))
		return false;
	if (event->tid == run->root) {
		run->root_ended = true;
		run->root_end = event->status;
	}
	return true;
}

static bool is_over(const struct run *run)
{
	if (run->phase == PHASE_RELEASING)
		return tracees_count() == 0;
	return run->phase == PHASE_REACHED && !run->options->others_go_on;
}

static bool dispatch_event(struct run *run, struct event event, enum status *status)
{
	struct tracee *tracee;

	if (event.kind == EVENT_TICK) {
		*status = on_tick(run);
		return *status == STATUS_OK && !is_over(run);
	}
	if (event.kind == EVENT_NONE_LEFT)
		return false;
	tracee = tracee_find(event.tid);
	if (!tracee && note_untraced(run, &event))
		return !is_over(run);
	if (!tracee) {
		if ((*status = tracee_adopt(event.tid, &tracee)) != STATUS_OK)
			return false;
		if (tracee->process->threads == 1)
			choice_at_birth(run, tracee->process);
	}
	*status = answer_event(run, tracee, event.status);
	if (run->phase == PHASE_REACHED)
		interrupt_image_written();
	return *status == STATUS_OK && !is_over(run);
}

/* Where a signal to us is only noted, one that comes just before the wait must not be lost to it either. */
static bool goes_by_clock(const struct run *run)
{
	if (run->options->attach)
		return true;
	for (unsigned i = 0; i < run->points.count; i++)
		if (run->points.point[i].kind->is_due)
			return true;
	return run->options->timeout > 0;
}

enum status loop(struct run *run)
{
	enum status status = STATUS_OK;

	if (goes_by_clock(run))
		tick_start();
	while (dispatch_event(run, next_event(), &status))
		;
	tick_stop();
	return status;
}
