#include "tracer/outcome.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tracer/check/timeline.h"
#include "tracer/follow/interrupt.h"

/* PROG goes on untraced: it's waited for all the same. */
static void wait_for_root(struct run *run)
{
	int status;

	interrupt_set_mode(INTERRUPT_PASS_ON, run->root);
	while (!run->root_ended) {
		pid_t pid = waitpid(run->root, &status, 0);

		if (pid == run->root) {
			run->root_ended = true;
			run->root_end = status;
		} else if (pid < 0 && errno != EINTR) {
			break;
		}
	}
}

int end_as(int wait_status)
{
	if (WIFEXITED(wait_status))
		return WEXITSTATUS(wait_status);
	int number = WTERMSIG(wait_status);
	sigset_t one;

	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	signal(number, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, number);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	raise(number);
	return 128 + number; /* not reached but for a signal that can't end us */
}

static enum status tell_end(const struct run *run)
{
	const char *name = run->options->attach ? "the process" : run->options->program[0];
	bool several = run->points.count > 1;
	const char *point = several ? "a point" : run->points.point[0].text;
	const char *unreadable =
	        "it changed its user, or made itself undumpable, after which its paths can't be "
	        "read: give snaptrace CAP_SYS_PTRACE";
	const char *hint = run->is_unreadable ? unreadable
	                   : !run->chosen     ? "--in admitted none of the programs it ran"
	                   : several          ? "snaptrace -v tells what is met"
	                                      : run->points.point[0].kind->hint;

	if (run->root_ended && WIFSIGNALED(run->root_end))
		return fail(STATUS_ENDED, "%s was ended by signal %d (%s) before %s was reached: %s", name,
		            WTERMSIG(run->root_end), strsignal(WTERMSIG(run->root_end)), point, hint);
	return fail(STATUS_ENDED, "%s ended with status %d before %s was reached: %s", name,
	            WEXITSTATUS(run->root_end), point, hint);
}

int outcome(struct run *run)
{
	const struct options *options = run->options;

	if (run_has_points(run) && run->phase == PHASE_BEFORE)
		return (int)tell_end(run);
	if (options->attach || (run_has_points(run) && !options->continues))
		return interrupt_asked() ? end_as(interrupt_asked()) : (int)run->outcome;
	if (run->phase == PHASE_RELEASING)
		wait_for_root(run);
	return run->outcome != STATUS_OK ? (int)run->outcome : end_as(run->root_end);
}

static void describe_end(const struct run *run, char *text, size_t size)
{
	if (run->options->attach)
		snprintf(text, size, "goes on");
	else if (!run->root_ended)
		snprintf(text, size, "was ended after %g s", run->options->timeout);
	else if (WIFSIGNALED(run->root_end))
		snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(run->root_end),
		         strsignal(WTERMSIG(run->root_end)));
	else
		snprintf(text, size, "ended with status %d", WEXITSTATUS(run->root_end));
}

int report(const struct run *run, enum status status, FILE *out)
{
	const struct options *options = run->options;
	char end[80];

	describe_end(run, end, sizeof(end));
	if (status == STATUS_OK)
		status = timeline_report(&run->points, options->asked, end, options->json, out);
	if ((fflush(out) == EOF || ferror(out)) && status == STATUS_OK)
		status = fail(STATUS_FAILED, "standard output: %s", strerror(errno));
	fclose(out);
	return (int)status;
}
