#include "tracer/follow/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracer/follow/distinct_id.h"
#include "tracer/follow/interrupt.h"
#include "tracer/ptrace/tracee.h"

/* What the child says on its socket, which exec closes. */
struct report {
	enum { REPORT_NO_NEW_PRIVS, REPORT_NO_FILTER, REPORT_FILTER_FAILED, REPORT_EXEC_FAILED } what;
	int error;
};

static void say(int socket, struct report report)
{
	ssize_t ignored = send(socket, &report, sizeof(report), MSG_NOSIGNAL);

	(void)ignored;
}

/* In the child. All signals are blocked until it is what it was at the fork but for the filter. */
static _Noreturn void become(const struct run *run, const char *path, int socket, const sigset_t *mask)
{
	bool no_new_privs = false;
	char go;

	if (recv(socket, &go, 1, 0) != 1)
		_exit(STATUS_FAILED); /* snaptrace is gone */
	interrupt_forget();
	if (run->filter.length) {
		bool installed = filter_install(&run->filter, &no_new_privs) == 0;
		if (!installed && !run->filter_is_needed)
			say(socket, (struct report){REPORT_NO_FILTER, errno});
		if (!installed && run->filter_is_needed) {
			say(socket, (struct report){REPORT_FILTER_FAILED, errno});
			_exit(STATUS_FAILED);
		}
		if (no_new_privs)
			say(socket, (struct report){REPORT_NO_NEW_PRIVS, 0});
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	execve(path, run->program, environ);
	say(socket, (struct report){REPORT_EXEC_FAILED, errno});
	_exit(STATUS_CANNOT_RUN);
}

enum status seize_failed(pid_t pid, int error)
{
	long tracer = process_status_number(pid, "TracerPid");

	if (tracer > 0)
		return fail(STATUS_FAILED,
		            "process %d is traced by process %ld already (strace -f, gdb, another "
		            "snaptrace), and "
		            "only one can: trace either the program or snaptrace, not both",
		            pid, tracer);
	return fail(STATUS_FAILED,
	            "ptrace: process %d: %s: is tracing forbidden here (another user's process, a container, "
	            "kernel.yama.ptrace_scope)?",
	            pid, strerror(error));
}

static enum status attach(struct run *run, int socket)
{
	struct tracee *tracee;
	enum status status;

	if (ptrace(PTRACE_SEIZE, run->root, 0, TRACE_OPTIONS | PTRACE_O_EXITKILL) < 0)
		return seize_failed(run->root, errno);
	if ((status = tracee_add(run->root, run->root, NULL, &tracee)) != STATUS_OK)
		return status;
	tracee->process->launching = true;
	if (send(socket, "", 1, MSG_NOSIGNAL) != 1)
		return fail(STATUS_FAILED, "%s: the new process ended at once", run->options->program[0]);
	return STATUS_OK;
}

enum status launch(struct run *run, const char *path)
{
	enum status status = STATUS_OK;
	sigset_t all, mask;
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return fail(STATUS_FAILED, "socketpair: %s", strerror(errno));
	unsetenv("SNAP_AT"); /* it's for us, not for PROG */
	leave_common_ids();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &mask); /* until the child is known to the handlers, and out of them */
	if ((run->root = fork_distinct()) == 0) {
		close(sockets[0]);
		become(run, path, sockets[1], &mask);
	}
	if (run->root < 0)
		status = fail(STATUS_FAILED, "fork: %s", strerror(errno));
	close(sockets[1]);
	if (status == STATUS_OK)
		status = attach(run, sockets[0]);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (status == STATUS_OK)
		run->launch_report = sockets[0];
	else
		close(sockets[0]); /* a child that is not traced ends by it */
	return status;
}

static enum status tell_report(struct run *run, const struct report *report)
{
	const char *name = run->options->program[0];

	switch (report->what) {
	case REPORT_NO_NEW_PRIVS:
		run->filter_set_no_new_privs = true;
		return STATUS_OK;
	case REPORT_NO_FILTER:
		run->filter_missing = true;
		run->filter.length = 0;
		tell("seccomp: %s: what the program sets to what it has already, and what the kernel tells "
		     "nobody (landlock, ...), is not seen",
		     strerror(report->error));
		return STATUS_OK;
	case REPORT_FILTER_FAILED:
		return fail(STATUS_FAILED,
		            "seccomp: %s: this point needs a filter: use --at main, entry or SYMBOL",
		            strerror(report->error));
	case REPORT_EXEC_FAILED:
		if (report->error == ENOENT || report->error == ENOTDIR)
			return fail(STATUS_CANNOT_RUN, "%s: cannot be run: its interpreter does not exist",
			            name);
		return fail(STATUS_CANNOT_RUN, "%s: cannot be run: %s", name, strerror(report->error));
	}
	return STATUS_OK;
}

enum status launch_hear(struct run *run)
{
	enum status status = STATUS_OK;
	struct report report;

	while (status == STATUS_OK &&
	       recv(run->launch_report, &report, sizeof(report), MSG_DONTWAIT) == (ssize_t)sizeof(report))
		status = tell_report(run, &report);
	close(run->launch_report);
	run->launch_report = -1;
	return status;
}
