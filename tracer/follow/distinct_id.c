#include "tracer/follow/distinct_id.h"

#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "format/base/message.h"

enum {
	SMALL = 10000,      /* sizes, counts and offsets are below it, and in a fresh container all IDs */
	DISTINCT = 1 << 16, /* nobody need choose one for a process whose maker's is above it */
	ATTEMPTS = 8,
	SKIPPED_MAX = 256,
	OF_EIGHT = 5,
};

static bool is_text(pid_t byte)
{
	return byte >= ' ' && byte <= '~';
}

/* Of the numbers of this size that lie about in the memory of an interpreter, nine of ten are even, a tagged
 * or a scaled one, or a text of two letters. */
static bool is_distinct(pid_t id)
{
	return id % 8 == OF_EIGHT && !(is_text(id & UINT8_MAX) && is_text(id >> 8));
}

static void *tell_id(void *id)
{
	*(pid_t *)id = gettid();
	return NULL;
}

/* The kernel gives out IDs one after the other, and begins again (kernel/pid.c); small ones, and those up to
 * a distinct one, are used up, 20 us each. */
static void leave_common_ids(bool small)
{
	sigset_t all, before;
	pid_t last = 0;
	int count = 0, skipped = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	do {
		pthread_t thread;
		if (pthread_create(&thread, NULL, tell_id, &last) != 0)
			break;
		pthread_join(thread, NULL);
	} while ((small && last < SMALL && ++count < SMALL) ||
	         (!is_distinct(last + 1) && ++skipped < SKIPPED_MAX));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (count > 0)
		explain("used up %d process IDs, so that the program's is not a small number", count);
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

/* Needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN (clone(2), set_tid; Linux 5.5). In the upper half. */
static pid_t fork_chosen(pid_t highest)
{
	pid_t result = -1;

	for (int i = 0; i < ATTEMPTS && result < 0; i++) {
		uint32_t number = 0;
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return -1;
		pid_t wanted = highest / 2 + (pid_t)(number % (uint32_t)(highest / 2));
		wanted = (wanted & ~7) | OF_EIGHT;
		struct clone_args arguments = {
		        .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&wanted, .set_tid_size = 1};
		result = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	}
	return result;
}

pid_t fork_distinct(void)
{
	pid_t highest = highest_id(), child;

	for (int attempt = 0;; attempt++) {
		leave_common_ids(highest > SMALL);
		if (getpid() < DISTINCT && highest > 2 * DISTINCT && (child = fork_chosen(highest)) >= 0)
			return child;
		child = fork();
		/* Others may have taken the IDs in between, up to where the kernel began again. */
		if (child <= 0 || child >= SMALL || highest <= SMALL || attempt == ATTEMPTS)
			return child;
		kill(child, SIGKILL); /* it waits to be told to go on */
		waitpid(child, NULL, 0);
	}
}
