#include "tracer/capture/refuse.h"

#include <limits.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer/caller.h"

static enum status check_children(const struct subject *subject)
{
	pid_t child = subject->request->in_tree ? 0 : proc_find_child(subject->pid, false);

	if (child == 0)
		return STATUS_OK;
	return refuse("a child process", "choose a point before it is started or after it was waited for",
	              "process %d is a child of process %d", child, subject->pid);
}

static enum status check_shared_memory_space(const struct subject *subject)
{
	pid_t parent = (pid_t)subject->stat.field[STAT_PPID];

	if (parent <= 0 || parent == getpid() ||
	    syscall(SYS_kcmp, proc_living(subject->pid), proc_living(parent), KCMP_VM, 0, 0) != 0)
		return STATUS_OK;
	return refuse("memory shared with the parent (vfork)", "choose a point after the exec",
	              "process %d and process %d", subject->pid, parent);
}

static enum status check_seccomp(const struct subject *subject)
{
	uint64_t mode = proc_number(&subject->status, "Seccomp", 10);
	uint64_t filters = proc_number(&subject->status, "Seccomp_filters", 10);
	uint64_t expected =
	        proc_number(&the_caller.status, "Seccomp_filters", 10) + subject->request->seccomp_filters;

	if (mode != 1 && filters <= expected)
		return STATUS_OK;
	if (mode != 1 && subject->request->drop_seccomp) {
		tell("the program's own seccomp filters are left out: what they "
		     "forbade is allowed from here "
		     "on");
		return STATUS_OK;
	}
	return refuse(mode == 1 ? "seccomp strict mode" : "a seccomp filter of the program",
	              mode == 1 ? "choose a point before it is set"
	                        : "choose a point before it is installed, or give "
	                          "--drop-seccomp",
	              "process %d", subject->pid);
}

static enum status check_namespaces(const struct subject *subject)
{
	static const char *const names[] = {"cgroup",           "ipc",  "mnt",  "net", "pid",
	                                    "pid_for_children", "time", "user", "uts"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char own[64], its[64];
		struct proc_path path = proc_path(subject->pid, "ns/%s", names[i]);
		ssize_t length = readlink(proc_path(PROC_SELF, "ns/%s", names[i]).text, own, sizeof(own));
		if (length < 0 || (readlink(path.text, its, sizeof(its)) == length &&
		                   memcmp(own, its, (size_t)length) == 0))
			continue;
		return refuse("a namespace of the program's own", "start snaptrace inside the namespace",
		              "%s namespace of process %d", names[i], subject->pid);
	}
	return STATUS_OK;
}

static enum status check_root(const struct subject *subject)
{
	struct proc_path path = proc_path(subject->pid, "root");
	struct stat own, its;

	if (stat("/", &own) == 0 && stat(path.text, &its) == 0 && own.st_dev == its.st_dev &&
	    own.st_ino == its.st_ino)
		return STATUS_OK;
	return refuse("a changed root directory (chroot)", "start snaptrace inside it", "process %d",
	              subject->pid);
}

enum status refuse_process(const struct subject *subject)
{
	static enum status (*const checks[])(const struct subject *) = {
	        check_children,   check_shared_memory_space,
	        check_namespaces, check_seccomp,
	        check_root,       refuse_tracer,
	        refuse_landlock,  refuse_semaphore_undo,
	        tell_of_place,    refuse_placed_memory,
	};
	enum status status = STATUS_OK;

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks) && status == STATUS_OK; i++)
		status = pass_refusal(checks[i](subject));
	return status;
}

enum status refuse_thread(const struct subject *subject, pid_t tid)
{
	struct subject thread = {.request = subject->request, .pid = tid};
	enum status status;

	if ((status = proc_read(proc_path(tid, "status"), &thread.status)) != STATUS_OK)
		return status;
	if ((status = check_namespaces(&thread)) == STATUS_OK)
		status = check_seccomp(&thread);
	text_free(&thread.status);
	return status;
}
