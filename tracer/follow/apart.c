#include "tracer/follow/apart.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* By the same signal where it was one; its core dump is enough. */
static _Noreturn void end_as(int wait_status)
{
	sigset_t one;

	if (WIFEXITED(wait_status))
		_exit(WEXITSTATUS(wait_status));
	int number = WTERMSIG(wait_status);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	signal(number, SIG_DFL);
	raise(number);
	sigemptyset(&one);
	sigaddset(&one, number);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	_exit(128 + number); /* not reached but for a signal that can't end us */
}

/* When the child stops, so do we, for the shell to see; it lets us go on, and we the child. */
static void look(pid_t child)
{
	int wait_status;

	while (waitpid(child, &wait_status, WNOHANG | WUNTRACED) == child) {
		if (!WIFSTOPPED(wait_status))
			end_as(wait_status);
		raise(SIGSTOP);
		kill(child, SIGCONT);
	}
}

/* What the terminal sends goes to the child by itself, where it is in the same process group. */
static _Noreturn void wait_for(pid_t child, const sigset_t *all, bool in_background)
{
	siginfo_t info;

	for (;;) {
		int number = sigwaitinfo(all, &info);
		if (number == SIGCHLD)
			look(child);
		else if (number > 0 && (in_background || info.si_code != SI_KERNEL))
			kill(child, number);
	}
}

enum status apart_begin(bool in_background, int when_gone)
{
	const struct sigaction plain = {.sa_handler = SIG_DFL};
	struct sigaction child_action;
	sigset_t all, mask;
	pid_t started = getpid(), child;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &mask);
	sigaction(SIGCHLD, &plain, &child_action); /* one that is ignored would end the child unseen */
	if ((child = fork()) > 0)
		wait_for(child, &all, in_background);
	if (child < 0)
		return fail(STATUS_FAILED, "fork: %s", strerror(errno));
	sigaction(SIGCHLD, &child_action, NULL);
	if (in_background) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_IGN); /* its messages are for the terminal all the same */
	}
	prctl(PR_SET_PDEATHSIG, when_gone);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (getppid() != started) /* it was gone before */
		raise(when_gone);
	return STATUS_OK;
}
