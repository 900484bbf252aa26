/* handlers MODE: a thread has a signal that waits, and edit_image lets it through: its handler, which does
 * not come back as MODE says, is the first that the thread runs after the start. Nobody waits for it. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "../check.h"

static const char *mode;
static atomic_int waits, handles, jumped;
static sigjmp_buf place;

static void on_signal(int number)
{
	sigset_t none;

	(void)number;
	atomic_store(&handles, 1);
	sigemptyset(&none);
	if (strcmp(mode, "jumps") == 0)
		siglongjmp(place, 1);
	if (strcmp(mode, "suspends") == 0)
		for (;;)
			sigsuspend(&none);
	for (;;)
		sched_yield();
}

static void *work(void *unused)
{
	if (sigsetjmp(place, 1) != 0) {
		atomic_store(&jumped, 1);
		return unused;
	}
	atomic_store(&waits, 1);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t thread;
	sigset_t set;

	CHECK(argc == 2);
	mode = argv[1];
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
	while (atomic_load(&waits) == 0)
		sched_yield();
	CHECK(pthread_kill(thread, SIGUSR1) == 0);
	snapshot_point();
	while (atomic_load(&handles) == 0 || (strcmp(mode, "jumps") == 0 && atomic_load(&jumped) == 0))
		sched_yield();
	puts("went on");
	return 0;
}
