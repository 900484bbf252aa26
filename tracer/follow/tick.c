#include "tracer/follow/tick.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

enum { EVERY_MICROSECONDS = 20000 };

static volatile sig_atomic_t came;

static void note(int number)
{
	(void)number;
	came = 1;
}

bool tick_came(void)
{
	bool it_did = came != 0;

	came = 0;
	return it_did;
}

void tick_start(void)
{
	/* No SA_RESTART. One that comes just before the wait is made up for by the next. */
	struct sigaction action = {.sa_handler = note};
	struct itimerval often = {.it_interval = {.tv_usec = EVERY_MICROSECONDS}, .it_value = {.tv_usec = 1}};
	sigset_t alarm;

	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

void tick_stop(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0}}, NULL);
}
