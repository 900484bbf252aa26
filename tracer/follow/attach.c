#include "tracer/follow/attach.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "format/base/progress.h"
#include "tracer/follow/choice.h"
#include "tracer/follow/exec_stop.h"
#include "tracer/follow/launch.h"
#include "tracer/points/point_symbol.h"
#include "tracer/ptrace/remote.h"
#include "tracer/refusals.h"

/* Those that end just now can't be traced: EPERM as well, while they are still seen (ptrace_attach() in
 * kernel/ptrace.c). */
static bool has_ended(pid_t tid)
{
	struct proc_stat stat;

	return proc_try_read_stat(tid, &stat) < 0 || stat.state == 'Z' || stat.state == 'X';
}

/* A thread that one that is seized gave birth to is attached already: its events come, so it is not waited
 * for. */
static enum status seize(pid_t pid, pid_t tid, bool may_have_ended, unsigned *found)
{
	struct tracee *tracee;

	if (tracee_find(tid))
		return STATUS_OK;
	if (proc_is_kernel_worker(tid)) /* nobody can seize it; refused at the dump if it is still there */
		return STATUS_OK;
	if (ptrace(PTRACE_SEIZE, tid, 0, TRACE_OPTIONS) < 0) {
		int error = errno;

		if ((tid != pid || may_have_ended || !proc_has_ended(pid)) &&
		    (error == ESRCH || has_ended(tid)))
			return STATUS_OK;
		if (process_status_number(tid, "TracerPid") != getpid())
			return seize_failed(tid, error);
	} else {
		++*found;
	}
	return tracee_add(tid, pid, NULL, &tracee);
}

/* Once through the threads that there are. */
static enum status seize_threads(pid_t pid, bool may_have_ended, unsigned *found)
{
	struct proc_path path = proc_path(pid, "task");
	DIR *directory = opendir(path.text);
	enum status status = STATUS_OK;
	struct dirent *entry;

	*found = 0;
	if (!directory && may_have_ended)
		return STATUS_OK;
	if (!directory)
		return fail(STATUS_FAILED, "-p %d: %s", pid,
		            errno == ENOENT ? "no such process" : strerror(errno));
	while (status == STATUS_OK && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			status = seize(pid, atoi(entry->d_name), may_have_ended, found);
	closedir(directory);
	return status;
}

static enum status seize_process(pid_t pid, bool may_have_ended)
{
	enum status status;
	unsigned found;

	do /* a thread that is seized can't make one that isn't */
		status = seize_threads(pid, may_have_ended, &found);
	while (status == STATUS_OK && found > 0);
	return status;
}

static enum status refuse_without_main(pid_t pid)
{
	return refuse("a main thread that has ended (pthread_exit) before snaptrace came",
	              "freeze it with snaptrace PROG, from its start on", "process %d", pid);
}

enum status attach_to_member(pid_t pid, struct tracee **ret_tracee)
{
	enum status status = seize_process(pid, true);

	*ret_tracee = status == STATUS_OK ? tracee_find(pid) : NULL;
	if (status == STATUS_OK && !*ret_tracee && !proc_has_ended(pid))
		return refuse_without_main(pid);
	return *ret_tracee ? remote_find_gate(pid, true, &(*ret_tracee)->process->gate) : status;
}

static enum status prepare(struct run *run, struct tracee *tracee)
{
	struct process *process = tracee->process;
	struct auxiliary auxiliary;
	struct elf_file executable;
	enum status status;

	if ((status = exec_stop_read_auxiliary(process->pid, &auxiliary)) != STATUS_OK ||
	    (status = remote_find_gate(process->pid, true, &process->gate)) != STATUS_OK)
		return status;
	if (elf_open(proc_path(process->pid, "exe").text, &executable) < 0)
		return fail(STATUS_FAILED, "process %d: %s", process->pid,
		            errno == ENOEXEC ? "no 64-bit x86-64 program: only those can be frozen"
		                             : strerror(errno));
	process->entry = auxiliary.entry;
	process->bias = auxiliary.entry - executable.header->e_entry;
	choice_count(run, process);
	if ((status = exec_stop_arm(run, tracee, &executable)) == STATUS_OK)
		status = point_symbol_attach(run, process);
	elf_close(&executable);
	return status;
}

static enum status check_points(const struct run *run)
{
	for (unsigned i = 0; i < run->points.count; i++)
		if (run->points.point[i].kind->at_start)
			return fail(STATUS_FAILED,
			            "point %s: process %d has begun long ago: choose another point",
			            run->points.point[i].text, run->options->attach);
	return STATUS_OK;
}

enum status attach_to(struct run *run)
{
	enum status status;
	struct tracee *leader;

	run->root = run->options->attach;
	if ((status = check_points(run)) != STATUS_OK)
		return status;
	if ((status = seize_process(run->root, false)) != STATUS_OK)
		return status;
	leader = tracee_find(run->root);
	if (!leader && !proc_has_ended(run->root)) {
		(void)refuse_without_main(run->root);
		return refusals_end();
	}
	if (!leader)
		return fail(STATUS_FAILED, "-p %d: the process has ended", run->root);
	if ((status = prepare(run, leader)) != STATUS_OK)
		return status;
	for (struct tracee *tracee = tracee_next(NULL); tracee; tracee = tracee_next(tracee))
		ptrace(PTRACE_INTERRUPT, tracee->tid, 0,
		       0); /* from its first stop on its calls are watched */
	explain("attached to process %d", run->root);
	return STATUS_OK;
}
