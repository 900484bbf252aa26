#include "tracer/ptrace/stop_threads.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/proc.h"
#include "tracer/ptrace/breakpoint.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/remote.h"
#include "tracer/ptrace/wait.h"
#include "tracer/refusals.h"

#define PATIENCE_S       0.05  /* between two looks at what a thread that does not stop is at */
#define VFORK_PATIENCE_S 0.005 /* … at what the child of one that waits in vfork does */

enum {
	SYSCALL_STOP = SIGTRAP | 0x80,
	LOOKS_AT_SLEEPERS = 100, /* at children that do nothing before their exec */
	LOOKS_MAX = 4000,
};

/* What stopping them is about. */
struct stopping {
	pid_t pid;
	const struct tracee *point; /* the thread that stands already; NULL: none does */
	const struct stop_means *means;
	bool has_begun_again; /* another program: the threads of the old one are gone */
};

static enum status refuse_vfork(pid_t tid)
{
	return refuse("a thread that waits in vfork", "choose another point", "thread %d", tid);
}

/* --- a thread that waits in vfork(2) can't be stopped before its child has memory of its own */

static bool is_at_work(void *context, pid_t child, const struct proc_stat *stat)
{
	bool *one_is = context;

	(void)child;
	*one_is = *one_is || stat->state == 'R' || stat->state == 'D';
	return !*one_is;
}

static bool some_child_works(pid_t pid)
{
	bool one_does = false;

	proc_visit_children(pid, is_at_work, &one_does);
	return one_does;
}

/* Where kcmp(2) is denied, any child that has no program of its own. */
static bool may_borrow_memory(const struct process *process, pid_t parent)
{
	return !process->has_begun && process->pid != parent &&
	       process_status_number(process->pid, "PPid") == parent &&
	       (processes_share_memory(process->pid, parent) || !processes_are_comparable());
}

/* Answers what happens to such children; *ret_some: something did. The list may be another one after that. */
static enum status answer_borrowers(const struct stopping *stopping, pid_t parent, bool *ret_some)
{
	int event;

	*ret_some = false;
	for (struct tracee *it = tracee_next(NULL); it; it = tracee_next(it)) {
		if (!may_borrow_memory(it->process, parent) || tracee_look(it->tid, &event) != WAITED_STOP)
			continue;
		*ret_some = true;
		return stopping->means->answer(stopping->means->context, it, event);
	}
	return STATUS_OK;
}

/* What its child does until it becomes another program or ends is done in between the looks at the thread. */
struct vfork_wait {
	int looks, of_sleepers;
};

static enum status look_after_child(const struct tracee *tracee, const struct stopping *stopping,
                                    struct vfork_wait *wait)
{
	pid_t pid = tracee->process->pid;
	enum status status;
	bool some = true;

	wait->of_sleepers = some_child_works(pid) ? 0 : wait->of_sleepers + 1;
	while (some) {
		if ((status = answer_borrowers(stopping, pid, &some)) != STATUS_OK)
			return status;
		if (some)
			wait->of_sleepers = 0;
	}
	if (wait->of_sleepers > LOOKS_AT_SLEEPERS || ++wait->looks > LOOKS_MAX)
		return refuse_vfork(tracee->tid);
	return STATUS_OK;
}

/* A thread may end, and a process of a tree as a whole; where the point's thread is gone the process was
 * killed. */
static enum status note_end(const struct tracee *tracee, const struct stopping *stopping)
{
	struct user_regs_struct registers;

	if (!stopping->point || tracee_get_registers(stopping->point, &registers))
		return STATUS_OK;
	return fail(STATUS_FAILED, "the program ended: process %d: while it was being frozen",
	            tracee->process->pid);
}

/* Until the thread stops or is gone; not for ever, since one that sleeps uninterruptibly does neither. */
static enum status wait_for(const struct tracee *tracee, const struct stopping *stopping, int *ret_status,
                            bool *ret_gone)
{
	struct vfork_wait vfork_wait = {0};
	bool in_vfork = tracee_waits_in_vfork(tracee);
	enum waited waited;
	enum status status;

	*ret_gone = false;
	while ((waited = tracee_wait(tracee->tid, in_vfork ? VFORK_PATIENCE_S : PATIENCE_S, ret_status)) ==
	       WAITED_ENOUGH) {
		if (stopping->means->asked && stopping->means->asked())
			return fail(STATUS_FAILED,
			            "ended by a signal: no image was written: process %d goes on",
			            tracee->process->pid);
		in_vfork = tracee_waits_in_vfork(tracee);
		if (in_vfork && (status = look_after_child(tracee, stopping, &vfork_wait)) != STATUS_OK)
			return status;
	}
	*ret_gone = waited == WAITED_END;
	return *ret_gone ? note_end(tracee, stopping) : STATUS_OK;
}

/* Onwards to the next stop, which is the end of the call that the thread is in. */
static enum status end_call(const struct tracee *tracee, const struct stopping *stopping, int *ret_status,
                            bool *ret_gone)
{
	ptrace(PTRACE_SYSCALL, tracee->tid, 0, 0);
	return wait_for(tracee, stopping, ret_status, ret_gone);
}

/* Before a watched call: it's skipped, and made again. */
static enum status leave_entry(struct tracee *tracee, const struct stopping *stopping, bool *ret_gone)
{
	int ended;

	if (!tracee_skip_call(tracee))
		return STATUS_OK;
	return end_call(tracee, stopping, &ended, ret_gone);
}

/* In a signal-delivery-stop. An int3 of ours is no signal of the program's: it stands on the instruction. */
static void take_signal(const struct tracee *tracee, struct stopped_thread *thread)
{
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETSIGINFO, tracee->tid, 0, &thread->signal) < 0)
		thread->signal.si_signo = 0;
	if (thread->signal.si_signo != SIGTRAP || thread->signal.si_code != SI_KERNEL ||
	    ptrace(PTRACE_GETREGS, tracee->tid, 0, &registers) < 0)
		return;
	if (tracees_answer_int3 && tracees_answer_int3(tracee, &registers)) {
		thread->signal.si_signo = 0;
		return;
	}
	if (!breakpoint_at(tracee->process, registers.rip - 1))
		return;
	registers.rip--;
	ptrace(PTRACE_SETREGS, tracee->tid, 0, &registers);
	thread->signal.si_signo = 0;
}

static enum status settle(struct tracee *tracee, const struct stopping *stopping, int status,
                          struct stopped_thread *thread, bool *ret_gone)
{
	enum status result = STATUS_OK;

	while (!*ret_gone) {
		switch (status >> 16) {
		case PTRACE_EVENT_STOP:
			if (WSTOPSIG(status) == SIGTRAP)
				return STATUS_OK;
			thread->in_group_stop = true;
			thread->stop_signal = WSTOPSIG(status);
			if (!stopping->point)
				return STATUS_OK;
			return refuse("a stopped program", "choose a point where it runs",
			              "process %d was stopped by signal %d", tracee->process->pid,
			              WSTOPSIG(status));
		case PTRACE_EVENT_CLONE:
		case PTRACE_EVENT_FORK:
			if ((result = end_call(tracee, stopping, &status, ret_gone)) != STATUS_OK)
				return result;
			continue;
		case PTRACE_EVENT_SECCOMP:
			return leave_entry(tracee, stopping, ret_gone);
		case 0:
			break;
		default:
			return refuse("a thread that is starting a program", "choose another point",
			              "thread %d", tracee->tid);
		}
		if (WSTOPSIG(status) != SYSCALL_STOP)
			take_signal(tracee, thread);
		else if (tracee_is_at_entry(tracee)) /* where every call stops */
			return leave_entry(tracee, stopping, ret_gone);
		return STATUS_OK;
	}
	return STATUS_OK;
}

/* On its way into or out of vfork, or into another program; the program of the point can't have another. */
static bool is_passing(const struct tracee *tracee, const struct stopping *stopping, int stop)
{
	int event = stop >> 16;

	return event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_VFORK_DONE ||
	       (!stopping->point && (event == PTRACE_EVENT_EXEC ||
	                             (WSTOPSIG(stop) == SYSCALL_STOP && tracee->awaited == AWAIT_EXEC_END)));
}

/* It may be in a stop already, with an event that wait has not told yet: then that is what comes. */
static enum status stop_past(struct tracee *tracee, struct stopping *stopping, int *ret_stop, bool *ret_gone)
{
	enum status status;

	for (;;) {
		ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0);
		if ((status = wait_for(tracee, stopping, ret_stop, ret_gone)) != STATUS_OK || *ret_gone ||
		    !is_passing(tracee, stopping, *ret_stop))
			return status;
		stopping->has_begun_again |= *ret_stop >> 16 == PTRACE_EVENT_EXEC;
		status = stopping->means->answer(stopping->means->context, tracee, *ret_stop);
		if (status != STATUS_OK)
			return status;
	}
}

/* *ret_stands: it was stopped, whether it can be frozen there or not, and is to be resumed. */
static enum status stop_thread(struct tracee *tracee, struct stopping *stopping,
                               struct stopped_thread *thread, bool *ret_stands)
{
	enum status status;
	bool gone = false;
	int stop;

	*ret_stands = false;
	if ((status = stop_past(tracee, stopping, &stop, &gone)) == STATUS_OK && !gone) {
		*ret_stands = true;
		status = settle(tracee, stopping, stop, thread, &gone);
	}
	if (!gone) {
		tracee->awaited = AWAIT_NOTHING;
	} else if (tracee->tid != tracee->process->pid) {
		*ret_stands = false;
		(void)waitpid(tracee->tid, &stop,
		              __WALL | WNOHANG); /* or it would be found among the threads again */
		tracee_remove(tracee);
	}
	return status;
}

static bool is_known(const struct stopped_threads *threads, pid_t tid)
{
	for (size_t i = threads->count; i > 0; i--)
		if (threads->thread[i - 1].tid == tid)
			return true;
	return false;
}

static enum status add(struct stopped_threads *threads, const struct stopped_thread *thread)
{
	struct stopped_thread *added = array_add(threads->thread, threads->count);

	if (!added)
		return fail(STATUS_FAILED, "out of memory");
	*added = *thread;
	return STATUS_OK;
}

/* A thread that is not the main one has taken its place and ID to become another program. */
static bool has_taken_main(pid_t pid, const struct stopped_threads *threads)
{
	return is_known(threads, pid) && tracee_find(pid) && !tracee_stands(pid);
}

/* One look at the process's threads; *ret_new: there were some that are not yet among `threads`. */
static enum status stop_new(struct stopping *stopping, DIR *tasks, struct stopped_threads *threads,
                            bool *ret_new)
{
	const struct tracee *point = stopping->point;
	enum status status = STATUS_OK;
	struct dirent *entry;

	*ret_new = false;
	while (status == STATUS_OK && (entry = readdir(tasks))) {
		struct stopped_thread thread = {.tid = atoi(entry->d_name)};
		struct tracee *tracee = tracee_find(thread.tid);
		bool stands = true;

		if (thread.tid <= 0 || is_known(threads, thread.tid))
			continue;
		/* A thread of the program's is known from its birth or was seized, so it is asked of others
		 * only. */
		if (!tracee && proc_is_kernel_worker(thread.tid))
			return refuse(
			        "a worker thread of the kernel (io_uring)",
			        "make the io_uring after the point (libuv and Node.js: UV_USE_IO_URING=0)",
			        "process %d", stopping->pid);
		thread.at_point = point && thread.tid == point->tid;
		if (!tracee && (status = tracee_adopt(thread.tid, &tracee)) != STATUS_OK)
			return status;
		if (!thread.at_point)
			status = stop_thread(tracee, stopping, &thread, &stands);
		if (stopping->has_begun_again ||
		    (!stands && !point && has_taken_main(stopping->pid, threads)))
			threads->count = 0;
		stopping->has_begun_again = false;
		if (stands && add(threads, &thread) != STATUS_OK)
			status = STATUS_FAILED;
		/* A process that has ended meanwhile is seen until its parent has waited for it. */
		*ret_new = *ret_new || stands || thread.tid != stopping->pid;
	}
	return status;
}

static int by_id(const void *one, const void *other)
{
	pid_t a = ((const struct stopped_thread *)one)->tid, b = ((const struct stopped_thread *)other)->tid;

	return (a > b) - (a < b);
}

/* The main thread that has ended while these live stands among them: in an image it ends once more. */
static enum status add_ended(pid_t pid, struct stopped_threads *threads)
{
	const struct stopped_thread ended = {.tid = pid, .has_ended = true};
	enum status status;

	if (is_known(threads, pid))
		return STATUS_OK;
	if (!proc_look_through(pid, threads->thread[0].tid))
		return fail(STATUS_FAILED, "out of memory");
	if ((status = add(threads, &ended)) != STATUS_OK)
		proc_look_directly(pid);
	return status;
}

static enum status stop_all(struct stopping *stopping, struct stopped_threads *ret_threads)
{
	struct stopped_threads threads = {0};
	pid_t pid = stopping->pid;
	enum status status = STATUS_OK;
	bool new_ones = true;
	struct proc_path path = proc_path(pid, "task");

	while (status == STATUS_OK && new_ones) {
		DIR *tasks = opendir(path.text);
		if (!tasks && !stopping->point)
			break; /* it has ended */
		if (!tasks)
			status = fail(STATUS_FAILED, "%s: %s", path.text, strerror(errno));
		else
			status = stop_new(stopping, tasks, &threads, &new_ones);
		if (tasks)
			closedir(tasks);
	}
	*ret_threads = threads;
	if (status != STATUS_OK || threads.count == 0)
		return status;
	status = add_ended(pid, &threads);
	*ret_threads = threads;
	if (status != STATUS_OK)
		return status;
	qsort(threads.thread, threads.count, sizeof(*threads.thread), by_id);
	for (size_t i = 1; i < threads.count;
	     i++) /* ids wrap around: the main thread's may not be the least */
		if (threads.thread[i].tid == pid) {
			struct stopped_thread main_thread = threads.thread[i];
			memmove(threads.thread + 1, threads.thread, i * sizeof(*threads.thread));
			threads.thread[0] = main_thread;
		}
	return STATUS_OK;
}

enum status stop_threads(struct tracee *tracee, const struct stop_means *means,
                         struct stopped_threads *ret_threads)
{
	struct stopping stopping = {.pid = tracee->process->pid, .point = tracee, .means = means};

	return stop_all(&stopping, ret_threads);
}

enum status stop_process(const struct tracee *tracee, const struct stop_means *means,
                         struct stopped_threads *ret_threads)
{
	struct stopping stopping = {.pid = tracee->process->pid, .means = means};

	return stop_all(&stopping, ret_threads);
}

/* The thread itself queues it, as only it may with a code of the kernel's (rt_tgsigqueueinfo(2)), in memory
 * after the red zone of its stack. */
static bool requeue(const struct stopped_thread *thread, const struct remote_gate *gate)
{
	enum { RED_ZONE = 128 };
	struct user_regs_struct registers;
	uint64_t room;
	int64_t result;

	if (ptrace(PTRACE_GETREGS, thread->tid, 0, &registers) < 0)
		return false;
	room = (registers.rsp - RED_ZONE - sizeof(thread->signal)) & ~15ull;
	const uint64_t arguments[6] = {(uint64_t)tracee_find(thread->tid)->process->pid,
	                               (uint64_t)thread->tid, (uint64_t)thread->signal.si_signo, room};
	return tracee_write(thread->tid, room, &thread->signal, sizeof(thread->signal)) == 0 &&
	       remote_call_once(thread->tid, gate, SYS_rt_tgsigqueueinfo, arguments, &result) == STATUS_OK &&
	       result == 0;
}

void stopped_threads_give_back(const struct stopped_threads *threads, const struct remote_gate *gate)
{
	for (size_t i = 0; i < threads->count; i++) {
		const struct stopped_thread *thread = &threads->thread[i];
		struct tracee *tracee = tracee_find(thread->tid);

		if (tracee && thread->signal.si_signo && !requeue(thread, gate))
			syscall(SYS_tgkill, tracee->process->pid, thread->tid, thread->signal.si_signo);
	}
}

void stopped_threads_free(struct stopped_threads *threads)
{
	if (threads->count && threads->thread[0].has_ended)
		proc_look_directly(threads->thread[0].tid);
	free(threads->thread);
	*threads = (struct stopped_threads){0};
}
