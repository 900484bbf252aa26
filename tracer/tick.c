#include "tick.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

enum { EVERY_MICROSECONDS = 20000 };

static void nothing(int number)
{
	(void)number;
}

void tick_start(void)
{
	/* No SA_RESTART. One that comes just before the wait is made up for by the next. */
	struct sigaction action = {.sa_handler = nothing};
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
