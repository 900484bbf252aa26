#include "tracer/hot/hot_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "format/base/duration.h"
#include "format/base/progress.h"
#include "tracer/ptrace/pages.h"
#include "tracer/ptrace/tracee.h"

static enum status add_written(void *context, uint64_t start, uint64_t end)
{
	struct hot_run *run = context;

	return ranges_add(&run->written, start, end, 0);
}

static enum status add_present(void *context, uint64_t start, uint64_t end)
{
	struct hot_run *run = context;

	return ranges_add(&run->present, start, end, 0);
}

static enum status look(struct hot_run *run, pid_t pid)
{
	struct maps maps CLEANUP(maps_free) = {0};
	struct pages pages CLEANUP(pages_close) = {0};
	enum status status;

	if ((status = maps_read(pid, &maps)) != STATUS_OK ||
	    (status = pages_open(pid, true, &pages)) != STATUS_OK)
		return status;
	for (size_t i = 0; i < maps.count && status == STATUS_OK; i++) {
		const struct vma *vma = &maps.vma[i];
		/* The stack is copied as a whole, and the vdso's pages are the kernel's. */
		if (vma->shared || strcmp(vma->name, "[stack]") == 0 || strncmp(vma->name, "[v", 2) == 0)
			continue;
		if ((status = pages_walk(&pages, vma, true, add_written, run)) == STATUS_OK)
			status = pages_walk(&pages, vma, false, add_present, run);
	}
	run->looked = status == STATUS_OK;
	return status;
}

/* In the child, until it's traced. */
static _Noreturn void become(const struct hot_run *run, int gate, const sigset_t *mask)
{
	char go;

	if (read(gate, &go, 1) != 1)
		_exit(STATUS_FAILED);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (run->silent) {
		int null = open("/dev/null", O_RDWR);
		for (int stream = 0; stream < 3; stream++)
			if (dup2(null, stream) < 0)
				_exit(STATUS_FAILED);
		close(null);
	}
	execv(run->snaprun, run->arguments);
	_exit(STATUS_CANNOT_RUN);
}

/* A signal that ends us ends it, too: no such one comes before it is known. */
static pid_t fork_companion(void)
{
	sigset_t all, mask;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &mask);
	pid = fork();
	if (pid > 0)
		tracees_set_companion(pid);
	if (pid != 0)
		sigprocmask(SIG_SETMASK, &mask, NULL);
	return pid;
}

static enum status start(const struct hot_run *run, const sigset_t *mask, pid_t *ret_pid)
{
	int gate[2];
	pid_t pid;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return fail(STATUS_FAILED, "can't start a process: %s", strerror(errno));
	if ((pid = fork_companion()) < 0) {
		close(gate[0]);
		close(gate[1]);
		return fail(STATUS_FAILED, "can't start a process: %s", strerror(errno));
	}
	if (pid == 0) {
		close(gate[1]);
		become(run, gate[0], mask);
	}
	close(gate[0]);
	*ret_pid = pid;
	long traced =
	        ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
	int error = errno;
	bool told = traced == 0 && write(gate[1], "", 1) == 1;
	close(gate[1]);
	if (!told)
		return fail(STATUS_FAILED, "ptrace: process %d: %s: is tracing forbidden here?", pid,
		            strerror(error));
	return STATUS_OK;
}

/* Waits for a change of the process; until `deadline` (0: for ever). False: it has come. SIGCHLD is blocked.
 */
static bool wait_until(pid_t pid, double deadline, int *ret_status)
{
	sigset_t child;
	struct timespec left;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (waitpid(pid, ret_status, deadline > 0 ? WNOHANG | __WALL : __WALL) != pid) {
		double seconds = deadline - monotonic_seconds();
		if (deadline <= 0)
			continue; /* EINTR */
		if (seconds <= 0)
			return false;
		left.tv_sec = (time_t)seconds;
		left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
		(void)sigtimedwait(&child, NULL, &left);
	}
	return true;
}

/* Follows it to its end, or to the time of the look. *ret_traced: it is in a stop still, and can be let go.
 */
static enum status follow(struct hot_run *run, pid_t pid, bool *ret_stopped)
{
	double deadline = run->timeout > 0 ? monotonic_seconds() + run->timeout : 0;
	unsigned int programs = 0;
	int status;

	*ret_stopped = false;
	for (bool due = false;;) {
		if (!wait_until(pid, due ? 0 : deadline, &status)) {
			due = true;
			ptrace(PTRACE_INTERRUPT, pid, 0, 0);
			continue;
		}
		if (!WIFSTOPPED(status)) {
			run->wait_status = status;
			return STATUS_OK;
		}
		int event = status >> 16, number = WSTOPSIG(status);
		*ret_stopped = true;
		if (event == PTRACE_EVENT_EXIT || (due && event == PTRACE_EVENT_STOP))
			return look(run, pid);
		if (event == PTRACE_EVENT_EXEC && ++programs > 1)
			return STATUS_OK; /* snaprun was the first; what it became is gone */
		*ret_stopped = false;
		if (event == PTRACE_EVENT_STOP && number != SIGTRAP)
			ptrace(PTRACE_LISTEN, pid, 0, 0);
		else
			ptrace(PTRACE_CONT, pid, 0, event ? 0 : number);
	}
}

enum status hot_run(struct hot_run *run)
{
	sigset_t child, mask;
	enum status status;
	bool stopped = false;
	pid_t pid = 0;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &mask);
	if ((status = start(run, &mask, &pid)) == STATUS_OK)
		status = follow(run, pid, &stopped);
	if (stopped) {
		ptrace(PTRACE_DETACH, pid, 0, 0);
		while (waitpid(pid, &run->wait_status, 0) < 0 && errno == EINTR)
			continue;
	} else if (status != STATUS_OK && pid > 0) {
		kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, __WALL);
	}
	tracees_set_companion(0);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return status;
}
