/*
 * A thread in a domain of landlock may ask nothing of a process outside of it that ptrace(2)'s rules are
 * asked for (landlock(7), "Ptrace restrictions"). So two processes of snaptrace's become what the target is
 * in all that these rules ask for: its user, its group, and no capabilities. Where one of them may ask
 * kcmp(2) about the other, and a thread of the target may not, it is confined.
 */
#include "tracer/capture/process/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "tracer/refusals.h"

enum { VERSION_FLAG = 1 /* LANDLOCK_CREATE_RULESET_VERSION */ };

struct twins {
	pid_t asked, asking;
	int end; /* they end when it is closed */
	bool may_ask;
};

static int64_t ask(pid_t pid)
{
	return syscall(SYS_kcmp, proc_living(pid), proc_living(pid), KCMP_VM, 0, 0);
}

static bool become(uid_t user, gid_t group)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	return setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0 &&
	       syscall(SYS_capset, &header, none) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

/* The result of its becoming, and if there is somebody to ask about of its asking, is written to `ready`. */
static pid_t start_twin(const struct subject *subject, pid_t asked, int ready, int wait, int other_end)
{
	uid_t user = (uid_t)process_status_number(subject->pid, "Uid");
	gid_t group = (gid_t)process_status_number(subject->pid, "Gid");
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close(other_end);
	char answer = become(user, group) && (!asked || ask(asked) == 0) ? 1 : 0;
	if (write(ready, &answer, 1) == 1)
		(void)!read(wait, &answer, 1);
	_exit(0);
}

static bool start_and_hear(const struct subject *subject, pid_t asked, int wait, int end, pid_t *ret_pid)
{
	char answer = 0;
	int ready[2];

	if (pipe(ready) < 0)
		return false;
	*ret_pid = start_twin(subject, asked, ready[1], wait, end);
	close(ready[1]);
	if (*ret_pid < 0 || read(ready[0], &answer, 1) != 1)
		answer = 0;
	close(ready[0]);
	return answer == 1;
}

static struct twins begin(const struct subject *subject)
{
	struct twins twins = {.end = -1};
	int ends[2];

	if (pipe(ends) < 0)
		return twins;
	twins.end = ends[1];
	twins.may_ask = start_and_hear(subject, 0, ends[0], ends[1], &twins.asked) &&
	                start_and_hear(subject, twins.asked, ends[0], ends[1], &twins.asking);
	close(ends[0]);
	return twins;
}

static void end(struct twins *twins)
{
	if (twins->end >= 0)
		close(twins->end);
	if (twins->asked > 0)
		waitpid(twins->asked, NULL, 0);
	if (twins->asking > 0)
		waitpid(twins->asking, NULL, 0);
}

/* Of another security module, which may forbid the same. */
static bool has_other_profile(pid_t pid)
{
	struct text its CLEANUP(text_free) = {0}, own CLEANUP(text_free) = {0};

	if (proc_try_read(proc_path(pid, "attr/current").text, &its) < 0 ||
	    proc_try_read(proc_path(PROC_SELF, "attr/current").text, &own) < 0)
		return false;
	return its.size != own.size || memcmp(its.bytes, own.bytes, its.size) != 0;
}

static bool has_own_namespace(pid_t pid)
{
	struct stat its, own;

	return stat(proc_path(pid, "ns/user").text, &its) < 0 ||
	       stat(proc_path(PROC_SELF, "ns/user").text, &own) < 0 || its.st_ino != own.st_ino;
}

/* Where one of these has a say, the answer tells nothing. */
static bool has_other_rules(pid_t pid)
{
	return has_own_namespace(pid) || has_other_profile(pid) || process_status_number(pid, "Seccomp") != 0;
}

static enum status ask_in(const struct remote *remote, const struct stopped_threads *threads,
                          const struct twins *twins, pid_t *ret_confined, bool *ret_known)
{
	enum status status = STATUS_OK;

	*ret_confined = 0;
	for (size_t i = 0; i < threads->count && status == STATUS_OK && !*ret_confined; i++) {
		struct remote of_thread = *remote;
		int64_t result = 0;

		of_thread.tid = proc_living(threads->thread[i].tid);
		status = remote_call(&of_thread, &result, SYS_kcmp, (uint64_t)twins->asked,
		                     (uint64_t)twins->asked, KCMP_VM, 0);
		if (result == -EPERM)
			*ret_confined = of_thread.tid;
		*ret_known = *ret_known && (result == 0 || result == -EPERM);
	}
	return status;
}

enum status refuse_old_sandbox(const struct subject *subject, const struct remote *remote,
                               const struct stopped_threads *threads)
{
	bool known = !has_other_rules(subject->pid);
	enum status status = STATUS_OK;
	pid_t confined = 0;

	if (subject->request->noted_all ||
	    syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG) < 0) /* the kernel has none */
		return STATUS_OK;
	if (known) {
		struct twins twins = begin(subject);
		known = twins.may_ask;
		if (known)
			status = ask_in(remote, threads, &twins, &confined, &known);
		end(&twins);
	}
	if (status != STATUS_OK)
		return status;
	if (confined)
		return refuse("a sandbox of landlock", "choose a point before landlock_restrict_self(2)",
		              "thread %d of process %d", confined, subject->pid);
	if (!known)
		tell("process %d: whether it is in a sandbox of landlock can't be seen: in the image it is "
		     "in none",
		     subject->pid);
	return STATUS_OK;
}
