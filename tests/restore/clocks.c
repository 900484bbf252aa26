/* Waits of a second until a moment of CLOCK_MONOTONIC that was chosen before the point, by each kind of call.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static struct timespec moment;

static void marker(void)
{
	syscall(SYS_access, "/snap/here", 0);
}

static struct timespec now(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return time;
}

static int condition(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t attributes;
	pthread_cond_t condition;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&condition, &attributes);
	marker();
	pthread_mutex_lock(&mutex);
	return pthread_cond_timedwait(&condition, &mutex, &moment) != ETIMEDOUT;
}

static int sleeping(void)
{
	marker();
	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL);
}

static int sleeping_by_boot_time(void)
{
	struct timespec until = now(CLOCK_BOOTTIME);
	until.tv_sec++;
	marker();
	return clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL);
}

static int timer_descriptor(void)
{
	struct itimerspec value = {.it_value = moment};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t ticks;
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &value, NULL);
	marker();
	return read(fd, &ticks, sizeof(ticks)) != sizeof(ticks) || ticks != 1;
}

static int posix_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec value = {.it_value = moment};
	timer_t timer;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, TIMER_ABSTIME, &value, NULL);
	marker();
	return sigwaitinfo(&set, NULL) != SIGUSR1;
}

/* The rest is computed from the moment, as event loops do. */
static int computed(void)
{
	marker();
	struct timespec is = now(CLOCK_MONOTONIC);
	long rest = (moment.tv_sec - is.tv_sec) * 1000 + (moment.tv_nsec - is.tv_nsec) / 1000000;
	return poll(NULL, 0, rest > 0 ? (int)rest : 0);
}

static void *wait_there(void *semaphore)
{
	sem_clockwait(semaphore, CLOCK_MONOTONIC, &moment);
	return NULL;
}

/* A thread that waits when the point is met. */
static int waiting(void)
{
	pthread_t thread;
	sem_t semaphore;
	sem_init(&semaphore, 0, 0);
	pthread_create(&thread, NULL, wait_there, &semaphore);
	marker();
	return pthread_join(thread, NULL);
}

/* It never goes back. */
static int onward(void)
{
	struct timespec before = now(CLOCK_MONOTONIC), boot = now(CLOCK_BOOTTIME), after;
	marker();
	after = now(CLOCK_MONOTONIC);
	if (after.tv_sec < before.tv_sec || after.tv_sec > before.tv_sec + 1000)
		return 1;
	after = now(CLOCK_BOOTTIME);
	return after.tv_sec < boot.tv_sec || after.tv_sec > boot.tv_sec + 1000;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*wait)(void);
	} modes[] = {
	        {"condition", condition},      {"sleeping", sleeping}, {"boot_time", sleeping_by_boot_time},
	        {"timerfd", timer_descriptor}, {"timer", posix_timer}, {"computed", computed},
	        {"waiting", waiting},          {"onward", onward},
	};

	moment = now(CLOCK_MONOTONIC);
	moment.tv_sec++;
	for (size_t i = 0; argc == 2 && i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			return modes[i].wait();
	return 2;
}
