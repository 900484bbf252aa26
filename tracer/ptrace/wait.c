#include "tracer/ptrace/wait.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "format/base/proc.h"
#include "format/base/progress.h"

/* A stop and an end both come with a SIGCHLD; a zombie that is told of later comes without. */
enum { LOOK_AGAIN_NS = 5000000 };

/* What there is to tell of it, if anything; a stop is taken, an end is left. */
static enum waited look(pid_t tid, int *ret_status)
{
	siginfo_t info = {.si_pid = 0};

	if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WEXITED | __WALL | WNOHANG | WNOWAIT) < 0)
		return WAITED_END; /* ECHILD */
	if (info.si_pid != tid)
		return WAITED_ENOUGH;
	if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
		return WAITED_END;
	info.si_pid = 0; /* it may be killed just now: then there is no stop to take */
	if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | __WALL | WNOHANG) < 0 || info.si_pid != tid)
		return WAITED_ENOUGH;
	*ret_status =
	        info.si_status << 8 | 0x7f; /* the kernel's exit_code with the event (wait_task_stopped()) */
	return WAITED_STOP;
}

static bool is_zombie(pid_t tid)
{
	struct proc_stat stat;

	return proc_try_read_stat(tid, &stat) < 0 || stat.state == 'Z' || stat.state == 'X';
}

enum waited tracee_wait(pid_t tid, double seconds, int *ret_status)
{
	const struct timespec moment = {.tv_nsec = LOOK_AGAIN_NS};
	double until = seconds > 0 ? monotonic_seconds() + seconds : 0;
	enum waited waited;
	sigset_t child, mask;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &mask); /* it stays pending, though nothing handles it */
	while ((waited = look(tid, ret_status)) == WAITED_ENOUGH) {
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

bool tracee_stands(pid_t tid)
{
	unsigned long message;

	return ptrace(PTRACE_GETEVENTMSG, proc_living(tid), 0, &message) == 0;
}
