/* Is the program a tracer (ptrace(2)) itself? Only what it traces knows: TracerPid of each of its threads. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/capture/refuse.h"
#include "tracer/ptrace/noted.h"

static bool is_thread_of(uint64_t tid, pid_t pid)
{
	return tid > 0 && access(proc_path(pid, "task/%" PRIu64, tid).text, F_OK) == 0;
}

/* Sets *ret_threads to how many threads the process has, for the file of any of them. */
static bool is_traced_by(const char *path, pid_t tracer, uint64_t *ret_threads)
{
	struct text status CLEANUP(text_free) = {0};

	*ret_threads = 0;
	if (proc_try_read(path, &status) < 0)
		return false; /* it has ended */
	*ret_threads = proc_number(&status, "Threads", 10);
	return is_thread_of(proc_number(&status, "TracerPid", 10), tracer);
}

static bool has_thread_traced_by(pid_t pid, pid_t tracer)
{
	struct proc_path path = proc_path(pid, "status");
	uint64_t threads;
	struct dirent *entry;
	bool found = is_traced_by(path.text, tracer, &threads);
	DIR *directory = NULL;

	if (found || threads <= 1)
		return found;
	path = proc_path(pid, "task");
	directory = opendir(path.text);
	while (directory && !found && (entry = readdir(directory))) {
		path = proc_path(pid, "task/%d/status", atoi(entry->d_name));
		found = atoi(entry->d_name) > 0 && is_traced_by(path.text, tracer, &threads);
	}
	if (directory)
		closedir(directory);
	return found;
}

/* An ordinary user's program can trace only processes of that user, which own their directories here. */
static bool may_be_traced(pid_t pid)
{
	struct proc_path path = proc_path(pid, ".");
	struct stat identity;

	return geteuid() == 0 || (stat(path.text, &identity) == 0 &&
	                          (identity.st_uid == geteuid() || identity.st_uid == 0 /* not dumpable */));
}

enum status refuse_tracer(const struct subject *subject)
{
	struct dirent *entry;
	pid_t found = 0;
	DIR *directory;

	/* Else every process that there is must be asked. */
	if (subject->request->noted_all && !(subject->request->noted->bits & NOTED_TRACER))
		return STATUS_OK;
	directory = opendir("/proc");

	while (directory && !found && (entry = readdir(directory))) {
		pid_t pid = atoi(entry->d_name);
		if (pid > 0 && pid != subject->pid && may_be_traced(pid) &&
		    has_thread_traced_by(pid, subject->pid))
			found = pid;
	}
	if (directory)
		closedir(directory);
	if (!found)
		return STATUS_OK;
	return refuse("a process that it traces (ptrace)", "choose a point at which it traces none",
	              "process %d is traced by process %d", found, subject->pid);
}
