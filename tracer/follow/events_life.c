#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "format/base/progress.h"
#include "tracer/follow/choice.h"
#include "tracer/follow/events.h"
#include "tracer/follow/exec_log.h"
#include "tracer/follow/exec_stop.h"
#include "tracer/follow/launch.h"
#include "tracer/follow/noted_calls.h"
#include "tracer/follow/resume.h"

/* A thread ended: nothing is owed to it any more. A process's first thread is told of last (ptrace(2)). */
enum status on_end(struct run *run, struct tracee *tracee, int status)
{
	bool launching = tracee->process->launching;

	if (tracee->tid == run->root) {
		run->root_ended = true;
		run->root_end = status;
	}
	if (exec_log_wanted() && !launching && tracee->tid == tracee->process->pid)
		exec_log_end(tracee->process->pid, tracee->process->parent, status);
	tracee_remove(tracee);
	if (!launching)
		return STATUS_OK;
	enum status heard = launch_hear(run);
	return heard != STATUS_OK ? heard
	                          : fail(STATUS_FAILED, "%s: the new process was killed before it ran",
	                                 run->options->program[0]);
}

/* The other threads are gone with the old program; those whose end was not told yet never tell it. */
static void forget_other_threads(struct tracee *tracee)
{
	struct tracee *next;

	if (tracee->process->threads == 1)
		return;
	for (struct tracee *other = tracee_next(NULL); other; other = next) {
		next = tracee_next(other);
		if (other != tracee && other->process == tracee->process)
			tracee_remove(other);
	}
}

/* What the thread that called execve was about to do; the process's id is what it is known by now. */
static struct exec_record *take_record(struct tracee *tracee)
{
	unsigned long former;
	struct tracee *caller = tracee;
	struct exec_record *record;

	if (ptrace(PTRACE_GETEVENTMSG, tracee->tid, 0, &former) == 0 && (pid_t)former != tracee->tid)
		caller = tracee_find((pid_t)former);
	if (!caller)
		return NULL;
	record = caller->exec;
	caller->exec = NULL;
	return record;
}

static void log_exec(struct tracee *tracee)
{
	struct exec_record *record;

	if (!exec_log_wanted())
		return;
	record = take_record(tracee);
	tracee->process->parent = exec_log_done(tracee->process->pid, record);
	exec_record_free(record);
}

/* A new program, seen inside execve: the old one's threads, breakpoints and guard are gone. It is prepared
 * at the end of that call. Reported under the process's id whichever thread called execve (ptrace(2)). */
enum status on_exec(struct run *run, struct tracee *tracee, int status)
{
	struct process *process = tracee->process;
	enum status chosen;

	(void)status;
	log_exec(tracee);
	forget_other_threads(tracee);
	if (process->launching) {
		enum status heard = launch_hear(run);

		if (heard != STATUS_OK)
			return heard;
	}
	*process = (struct process){.pid = process->pid,
	                            .parent = process->parent,
	                            .threads = process->threads,
	                            .has_begun = true,
	                            .began = process->has_begun ? process->began : monotonic_seconds(),
	                            .noted = noted_after_exec(&process->noted)};
	tracee->in_vfork = false;
	tracee->awaited = AWAIT_NOTHING;
	if (run->phase == PHASE_BEFORE && (chosen = choice_at_exec(run, process)) != STATUS_OK)
		return chosen;
	if (process->choice.state == CHOICE_COMING)
		tracee->awaited = AWAIT_EXEC_END;
	return resume(run, tracee, 0);
}

/* A thread is told as PTRACE_EVENT_CLONE: it has no exit signal, where a child has SIGCHLD or CLONE_VFORK as
 * a rule (kernel_clone() in kernel/fork.c goes by these). */
static bool is_thread_of(pid_t pid, pid_t tid, int event)
{
	return event == PTRACE_EVENT_CLONE && access(proc_path(pid, "task/%d", tid).text, F_OK) == 0;
}

/* Its events may come before the one that tells of its birth, its end too; then wait has taken it away. */
static bool has_come_and_gone(pid_t tid)
{
	return access(proc_path(tid, "stat").text, F_OK) < 0 && errno == ENOENT;
}

/* A child or thread more: the kernel has attached it; it inherits what its parent's memory holds. */
enum status on_birth(struct run *run, struct tracee *tracee, int status)
{
	struct process *process = tracee->process;
	unsigned long message = 0;
	struct tracee *born;
	enum status added;

	if (status >> 16 == PTRACE_EVENT_VFORK)
		tracee->in_vfork = true;
	if (ptrace(PTRACE_GETEVENTMSG, tracee->tid, 0, &message) == 0 && !tracee_find((pid_t)message) &&
	    !has_come_and_gone((pid_t)message)) {
		pid_t tid = (pid_t)message;

		added = tracee_add(tid, is_thread_of(process->pid, tid, status >> 16) ? process->pid : tid,
		                   process, &born);
		if (added != STATUS_OK)
			return added;
		if (born->process != process) {
			born->process->parent = process->pid;
			choice_at_birth(run, born->process);
		}
	}
	if ((born = tracee_find((pid_t)message)))
		born->set_no_new_privs |= tracee->set_no_new_privs;
	return resume(run, tracee, 0);
}

enum status on_vfork_done(struct run *run, struct tracee *tracee, int status)
{
	(void)status;
	tracee->in_vfork = false;
	return resume(run, tracee, 0);
}
