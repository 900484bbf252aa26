/* What each thread has for itself: nice value, affinity, I/O priority, timer slack, name; and timers that
 * signal a thread, or run a function (SIGEV_THREAD). */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "../check.h"

enum { THREADS = 3, IO_WHO_PROCESS = 1, IO_IDLE = 3 << 13, SIGEV_THREAD_ID_ = 4 };

static atomic_int ready;
static int own_priority;
static sem_t go[THREADS], rung;
static _Thread_local atomic_int hits;

static void on_ring(int number)
{
	(void)number;
	atomic_fetch_add(&hits, 1);
}

static timer_t thread_timer(int clock)
{
	struct sigevent event = {.sigev_signo = SIGUSR1, .sigev_notify = SIGEV_THREAD_ID_};
	int id;

	((int *)&event)[4] = (int)syscall(SYS_gettid); /* the union's first member */
	CHECK(syscall(SYS_timer_create, clock, &event, &id) == 0);
	return (timer_t)(long)id;
}

/* Half of the processors' bits that it has now: those of even numbers, or all but those. */
static cpu_set_t own_processors(int index)
{
	cpu_set_t all, own;
	int taken = 0;

	CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
	CPU_ZERO(&own);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && taken++ % 2 == index % 2)
			CPU_SET(i, &own);
	return CPU_COUNT(&own) ? own : all;
}

static int priority_of(int index)
{
	int wanted = own_priority + 5 + index;

	return wanted < 19 ? wanted : 19;
}

static void *work(void *argument)
{
	int index = (int)(long)argument, tid = (int)syscall(SYS_gettid);
	cpu_set_t wanted = own_processors(index), seen;
	timer_t timer = thread_timer(CLOCK_MONOTONIC);
	struct itimerspec soon = {.it_value.tv_nsec = 20000000};

	CHECK(setpriority(PRIO_PROCESS, (id_t)tid, priority_of(index)) == 0);
	CHECK(sched_setaffinity(0, sizeof wanted, &wanted) == 0);
	CHECK(syscall(SYS_ioprio_set, IO_WHO_PROCESS, 0, index == 1 ? IO_IDLE : 2 << 13 | index) == 0);
	atomic_fetch_add(&ready, 1);
	while (sem_wait(&go[index]) != 0)
		CHECK(errno == EINTR);
	tid = (int)syscall(SYS_gettid);
	CHECK(getpriority(PRIO_PROCESS, (id_t)tid) == priority_of(index));
	CHECK(sched_getaffinity(0, sizeof seen, &seen) == 0 && CPU_EQUAL(&seen, &wanted));
	CHECK(syscall(SYS_ioprio_get, IO_WHO_PROCESS, 0) == (index == 1 ? IO_IDLE : 2 << 13 | index));
	CHECK(syscall(SYS_timer_settime, (int)(long)timer, 0, &soon, NULL) == 0);
	while (atomic_load(&hits) == 0)
		sched_yield();
	return argument;
}

static void ring(union sigval value)
{
	CHECK(value.sival_int == 41);
	CHECK(sem_post(&rung) == 0);
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_ring};
	struct sigevent event = {
	        .sigev_notify = SIGEV_THREAD, .sigev_notify_function = ring, .sigev_value.sival_int = 41};
	struct itimerspec soon = {.it_value.tv_nsec = 20000000, .it_interval.tv_nsec = 20000000};
	pthread_t thread[THREADS];
	timer_t timer;
	void *result;

	own_priority = getpriority(PRIO_PROCESS, 0); /* nice(1) may have begun it all */
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sem_init(&rung, 0, 0) == 0);
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(sem_init(&go[i], 0, 0) == 0 && pthread_create(&thread[i], NULL, work, (void *)i) == 0);
	while (atomic_load(&ready) < THREADS)
		sched_yield();
	snapshot_point();
	CHECK(getpriority(PRIO_PROCESS, 0) == own_priority);
	for (int i = 0; i < THREADS; i++)
		CHECK(sem_post(&go[i]) == 0 && pthread_join(thread[i], &result) == 0);
	CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
	for (int i = 0; i < 3; i++)
		while (sem_wait(&rung) != 0)
			CHECK(errno == EINTR);
	CHECK(atomic_load(&hits) == 0);
	CHECK(timer_delete(timer) == 0);
	return 0;
}
