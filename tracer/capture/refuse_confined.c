/* What confines or places a program in ways that the kernel shows little of. */
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "tracer/caller.h"
#include "tracer/capture/refuse.h"
#include "tracer/refusals.h"

enum status refuse_landlock(const struct subject *subject)
{
	if (!(subject->request->noted->bits & NOTED_LANDLOCK))
		return STATUS_OK;
	return refuse("a sandbox of landlock", "choose a point before landlock_restrict_self(2)",
	              "process %d", subject->pid);
}

/* Whether the process was the last to operate on some semaphore: /proc/sysvipc/sem (proc(5)) has the id of
 * each set in its second column, and how many it holds in its fourth. */
static bool uses_semaphores(pid_t pid)
{
	struct text sets CLEANUP(text_free) = {0};
	const char *line;
	int id, count;

	if (proc_try_read("/proc/sysvipc/sem", &sets) < 0)
		return false;
	for (line = sets.bytes; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (sscanf(line, "%*d %d %*o %d", &id, &count) != 2)
			continue; /* the heading */
		for (int i = 0; i < count; i++)
			if (semctl(id, i, GETPID) == pid)
				return true;
	}
	return false;
}

/* Threads share a list of undos, be it empty (clone(2), CLONE_SYSVSEM), so the call alone tells; and of a
 * process that was attached to, that it has a list, which we have not, and has used a semaphore. */
enum status refuse_semaphore_undo(const struct subject *subject)
{
	const struct snapshot_request *request = subject->request;
	bool noted = request->noted->bits & NOTED_SEMAPHORE_UNDO;

	if (!noted && (request->noted_all ||
	               syscall(SYS_kcmp, proc_living(subject->pid), getpid(), KCMP_SYSVSEM, 0, 0) == 0 ||
	               !uses_semaphores(subject->pid)))
		return STATUS_OK;
	return refuse("a System V semaphore operation that is undone at the end (SEM_UNDO)",
	              "choose a point before it is made", "process %d", subject->pid);
}

/* The policy of a line of numa_maps: the second word (numa(7)). */
static size_t policy_of(const char *line, const char **ret_policy)
{
	line += strcspn(line, " \n");
	line += strspn(line, " ");
	*ret_policy = line;
	return strcspn(line, " \n");
}

/* The file takes a walk through all of the memory: so only where mbind(2) was seen, or may have been. A line
 * has the thread's own policy where its memory has none. */
enum status refuse_placed_memory(const struct subject *subject)
{
	const struct snapshot_request *request = subject->request;
	struct text its CLEANUP(text_free) = {0}, own CLEANUP(text_free) = {0};
	const char *line, *policy, *callers;
	size_t length;

	if (request->noted_all && !(request->noted->bits & NOTED_MEMORY_PLACED))
		return STATUS_OK;
	if (proc_try_read(proc_path(subject->pid, "numa_maps").text, &its) < 0 ||
	    proc_try_read(proc_path(PROC_SELF, "numa_maps").text, &own) < 0)
		return STATUS_OK; /* a kernel without */
	length = policy_of(own.bytes, &callers);
	for (line = its.bytes; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (policy_of(line, &policy) != length || memcmp(policy, callers, length) != 0)
			return refuse("memory with a policy of its own (mbind)",
			              "choose a point before it is set", "mapping %.*s of process %d",
			              (int)strcspn(line, " \n"), line, subject->pid);
	return STATUS_OK;
}

/* What a start doesn't do again, and a user may want to know. */
enum status tell_of_place(const struct subject *subject)
{
	static const struct {
		const char *file, *what;
	} places[] = {
	        {"cgroup", "moved to a control group of its own: what is started from the image runs in its "
	                   "caller's"},
	        {"loginuid", "set its audit login: what is started from the image has its caller's"},
	};

	if (the_caller.attached)
		return STATUS_OK;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		struct text its CLEANUP(text_free) = {0}, own CLEANUP(text_free) = {0};

		if (proc_try_read(proc_path(subject->pid, "%s", places[i].file).text, &its) < 0 ||
		    proc_try_read(proc_path(PROC_SELF, "%s", places[i].file).text, &own) < 0)
			continue;
		if (its.size != own.size || memcmp(its.bytes, own.bytes, its.size) != 0)
			tell("process %d %s", subject->pid, places[i].what);
	}
	return STATUS_OK;
}
