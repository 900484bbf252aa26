#include "tracer/follow/distinct_id.h"

#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "format/base/message.h"

enum {
	SMALL = 10000,      /* sizes, counts and offsets are below it, and in a fresh container all IDs */
	DISTINCT = 1 << 16, /* a process whose own ID is above it has children with IDs above it */
	ATTEMPTS = 8,
};

static void *end_at_once(void *unused)
{
	return unused;
}

/* Uses up the small ones: the kernel gives out IDs one after the other (kernel/pid.c). 20 us each. */
static void leave_small_ids(void)
{
	pid_t first = getpid(), at = first;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (pid_t used = first; used < SMALL; used++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, end_at_once, NULL) != 0)
			break;
		pthread_join(thread, NULL);
		at = used;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (at != first)
		explain("used up %d process IDs, so that the program's is not a small number",
		        at - first + 1);
}

static pid_t highest_id(void)
{
	FILE *file = fopen("/proc/sys/kernel/pid_max", "re");
	int highest = 0;

	if (file) {
		if (fscanf(file, "%d", &highest) != 1)
			highest = 0;
		(void)fclose(file);
	}
	return highest;
}

/* Needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN (clone(2), set_tid; Linux 5.5). In the upper half, odd. */
static pid_t fork_chosen(pid_t highest)
{
	pid_t result = -1;

	for (int i = 0; i < ATTEMPTS && result < 0; i++) {
		uint32_t number = 0;
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return -1;
		pid_t wanted = (highest / 2 + (pid_t)(number % (uint32_t)(highest / 2))) | 1;
		struct clone_args arguments = {
		        .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&wanted, .set_tid_size = 1};
		result = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	}
	return result;
}

pid_t fork_distinct(void)
{
	pid_t highest = highest_id(), child;

	if (getpid() >= DISTINCT)
		return fork();
	if (getpid() < SMALL && highest > SMALL)
		leave_small_ids();
	if (highest > 2 * DISTINCT && (child = fork_chosen(highest)) >= 0)
		return child;
	return fork();
}
