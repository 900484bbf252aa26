#include "tracer/ptrace/wait.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "format/base/proc.h"
#include "format/base/progress.h"

/* A stop and an end both come with a SIGCHLD; a zombie that is told of later comes without. */
enum { LOOK_AGAIN_NS = 5000000, LOOKS = 30 };

enum waited tracee_look(pid_t tid, int *ret_status)
{
	siginfo_t info = {.si_pid = 0};

	if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | __WALL | WNOHANG) < 0)
		return WAITED_END; /* ECHILD */
	if (info.si_pid == tid) {
		/* the kernel's exit_code with the event (wait_task_stopped()) */
		*ret_status = info.si_status << 8 | 0x7f;
		return WAITED_STOP;
	}
	/* Of a traced thread this tells of a stop, too, that has come meanwhile (wait_task_stopped()). */
	if (waitid(P_PID, (id_t)tid, &info, WEXITED | __WALL | WNOHANG | WNOWAIT) < 0)
		return WAITED_END;
	return info.si_pid != tid || info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED
	               ? WAITED_ENOUGH
	               : WAITED_END;
}

static bool is_zombie(pid_t tid)
{
	struct proc_stat stat;

	return proc_try_read_stat(tid, &stat) < 0 || stat.state == 'Z' || stat.state == 'X';
}

/* Where its next stop or end is a matter of microseconds, as of a thread that makes a call for us: to be
 * woken up takes longer than to look. */
static enum waited look_for_a_moment(pid_t tid, int *ret_status)
{
	enum waited waited = tracee_look(tid, ret_status);

	for (int i = 0; i < LOOKS && waited == WAITED_ENOUGH; i++)
		waited = tracee_look(tid, ret_status);
	return waited;
}

static enum waited wait_for_signals(pid_t tid, double seconds, int *ret_status)
{
	const struct timespec moment = {.tv_nsec = LOOK_AGAIN_NS};
	double until = seconds > 0 ? monotonic_seconds() + seconds : 0;
	enum waited waited;
	sigset_t child, mask;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &mask); /* it stays pending, though nothing handles it */
	while ((waited = tracee_look(tid, ret_status)) == WAITED_ENOUGH) {
		if (sigtimedwait(&child, NULL, &moment) == SIGCHLD)
			continue;
		if (is_zombie(tid)) {
			waited = WAITED_END;
			break;
		}
		if (until > 0 && monotonic_seconds() >= until)
			break;
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return waited;
}

enum waited tracee_wait(pid_t tid, double seconds, int *ret_status)
{
	enum waited waited = look_for_a_moment(tid, ret_status);

	return waited == WAITED_ENOUGH ? wait_for_signals(tid, seconds, ret_status) : waited;
}

bool tracee_stands(pid_t tid)
{
	unsigned long message;

	return ptrace(PTRACE_GETEVENTMSG, proc_living(tid), 0, &message) == 0;
}
