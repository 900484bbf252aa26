/* Threads that are sent numbered signals while the point is met: none is lost and none comes twice, in what
 * goes on and in what is started from the image. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>

#include "../check.h"

enum { THREADS = 3, SHOTS = 2000 };

static atomic_int got[THREADS][SHOTS], received[THREADS], started;
static atomic_int tids[THREADS];
static _Thread_local int own;

static void on_shot(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	CHECK(info->si_code == SI_QUEUE && info->si_value.sival_int >= 0 && info->si_value.sival_int < SHOTS);
	atomic_fetch_add(&got[own][info->si_value.sival_int], 1);
	atomic_fetch_add(&received[own], 1);
}

static void *work(void *argument)
{
	own = (int)(long)argument;
	atomic_fetch_add(&started, 1);
	while (atomic_load(&received[own]) < SHOTS) {
		if (atomic_load(&tids[own]) == 0)
			atomic_store(&tids[own], (int)syscall(SYS_gettid));
		sched_yield();
	}
	return argument;
}

/* Each thread tells the id that it has now. */
static void ask_ids(void)
{
	for (int i = 0; i < THREADS; i++)
		atomic_store(&tids[i], 0);
	for (int i = 0; i < THREADS; i++)
		while (atomic_load(&tids[i]) == 0)
			sched_yield();
}

/* As pthread_sigqueue(3), which musl has not. */
static void shoot(int index, int shot)
{
	siginfo_t info = {.si_signo = SIGRTMIN + 3, .si_code = SI_QUEUE};

	info.si_pid = getpid();
	info.si_value.sival_int = shot;
	CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), atomic_load(&tids[index]), SIGRTMIN + 3, &info) == 0);
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = on_shot, .sa_flags = SA_SIGINFO};
	pthread_t thread[THREADS];
	void *result;

	CHECK(sigaction(SIGRTMIN + 3, &action, NULL) == 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
	while (atomic_load(&started) < THREADS)
		sched_yield();
	ask_ids();
	for (int shot = 0; shot < SHOTS; shot++) {
		if (shot == SHOTS / 2) {
			snapshot_point();
			ask_ids();
		}
		for (int i = 0; i < THREADS; i++)
			shoot(i, shot);
	}
	for (int i = 0; i < THREADS; i++) {
		CHECK(pthread_join(thread[i], &result) == 0);
		for (int shot = 0; shot < SHOTS; shot++)
			CHECK(atomic_load(&got[i][shot]) == 1);
	}
	puts("none lost");
	return 0;
}
