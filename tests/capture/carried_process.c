/* As carried.c, for what a process is beside its memory and descriptors: its clocks, session, place. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#include "expect.h"
#include "modes.h"

enum { WORKER, MAIN, PROCESS, CLOCKS };
static clockid_t clock_of[CLOCKS];
static volatile sig_atomic_t rung[CLOCKS];
static volatile bool is_ready, goes_on;

static void ring(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	rung[info->si_value.sival_int]++;
}

/* Uses its processor until its timer has rung. */
static void *work(void *unused)
{
	EXPECT(pthread_getcpuclockid(pthread_self(), &clock_of[WORKER]) == 0);
	is_ready = true;
	while (!goes_on || !rung[WORKER])
		;
	return unused;
}

/* As haproxy's watchdog has one on each of its threads' clocks. */
static void cpu_timers(void)
{
	const struct sigaction action = {.sa_sigaction = ring, .sa_flags = SA_SIGINFO | SA_RESTART};
	const struct itimerspec soon = {{0, 0}, {0, 20000000}}, late = {{3600, 0}, {7200, 0}};
	struct itimerspec seen;
	struct timespec now;
	timer_t timer[CLOCKS];
	pthread_t worker;
	sigaction(SIGUSR1, &action, NULL);
	EXPECT(pthread_create(&worker, NULL, work, NULL) == 0);
	while (!is_ready)
		;
	EXPECT(pthread_getcpuclockid(pthread_self(), &clock_of[MAIN]) == 0 &&
	       clock_getcpuclockid(getpid(), &clock_of[PROCESS]) == 0);
	for (int i = 0; i < CLOCKS; i++) {
		struct sigevent event = {
		        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = i};
		EXPECT(timer_create(clock_of[i], &event, &timer[i]) == 0);
	}
	EXPECT(timer_settime(timer[PROCESS], 0, &late, NULL) == 0);
	marker();
	EXPECT(timer_gettime(timer[PROCESS], &seen) == 0 && seen.it_interval.tv_sec == 3600 &&
	       seen.it_value.tv_sec > 3600 && seen.it_value.tv_sec <= 7200);
	for (int i = 0; i < CLOCKS; i++) {
		EXPECT(clock_gettime(clock_of[i], &now) == 0);
		EXPECT(timer_settime(timer[i], 0, &soon, NULL) == 0);
	}
	goes_on = true;
	while (!rung[MAIN] || !rung[PROCESS])
		;
	EXPECT(pthread_join(worker, NULL) == 0 && rung[WORKER] == 1);
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(cpu_timers),
	};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
