#include "tracer/follow/distinct_id.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/message.h"
#include "tracer/ptrace/tracee.h"

/* Of the words in the memory of interpreters, counted in eight of Python, node, Ruby, perl, bash, gdb and
 * guile: a number of 0x4000 to 0x7fff is there by accident in one of 17 cases, one of these in one of 37, one
 * that is above 16 bits in one of 260. What lies below is found as a size, a count or an offset, what ends in
 * a byte of 0x20 to 0x7f as a text of two letters (in one of 5 cases), and most numbers are even, a tagged or
 * a scaled one. Those of its threads follow on, over bytes up to 0x1f, which are seldom text either.
 */
enum {
	COMMON_BELOW = 4096, /* as capture/publish.c */
	SMALL = 0x4000,
	HIGH_BIT = 0x80,
	OF_EIGHT = 5,
	ROOM = 256,         /* for threads, below the highest: after it they would have the smallest */
	DISTINCT = 1 << 16, /* whatever is above it; nobody need choose one who is there already */
	LOOK_AFTER = 64,
	ATTEMPTS = 8,
	MANY_ATTEMPTS = 64,
};

static bool is_distinct(pid_t id)
{
	return id >= DISTINCT || (id >= SMALL && id % 8 == OF_EIGHT && (id & HIGH_BIT));
}

static bool is_fit(pid_t id, pid_t highest)
{
	return is_distinct(id) && id <= highest - ROOM;
}

static pid_t distinct_after(pid_t id)
{
	for (id = id < SMALL ? SMALL : id + 1; !is_distinct(id);)
		id++;
	return id;
}

static void *tell_id(void *id)
{
	*(pid_t *)id = gettid();
	return NULL;
}

/* 0: there can be no thread. Signals are for this one. */
static pid_t thread_id(void)
{
	sigset_t all, before;
	pthread_t thread;
	pid_t id = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, tell_id, &id) == 0)
		pthread_join(thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return id;
}

#define LAST_ID "/proc/sys/kernel/ns_last_pid"

/* The ID that this PID namespace gave out last; a kernel without CONFIG_CHECKPOINT_RESTORE says it to a new
 * thread only, so that *ret_taken are taken by the question. */
static pid_t last_id(int *ret_taken)
{
	char text[16] = "";
	int fd = open(LAST_ID, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	*ret_taken = size <= 0;
	return size > 0 ? (pid_t)strtol(text, NULL, 10) : thread_id();
}

/* The next one comes after this: with CAP_CHECKPOINT_RESTORE, or CAP_SYS_ADMIN, in the namespace's user
 * namespace (pid_ns_ctl_handler(), kernel/pid_namespace.c). */
static bool skip_to(pid_t last)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%d", last), fd = open(LAST_ID, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, (size_t)size) == size;

	if (fd >= 0)
		close(fd);
	return written;
}

/* A clone that has taken its ID when it finds that it can't say so (copy_process(), kernel/fork.c;
 * Linux 5.2). It takes half the time of one that succeeds, and nobody has to run. */
static void use_up_one(void)
{
	const unsigned long flags =
	        CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_PIDFD;

	if (syscall(SYS_clone, flags, 0, UINTPTR_MAX, 0, 0) < 0 && errno != EFAULT)
		(void)thread_id();
}

/* The kernel gives out IDs one after the other, and begins again after the highest (kernel/pid.c). Others
 * take some too, and use them up just like this: who doesn't look where they are overtakes the end again and
 * again. Who may not skip them has to use them up.
 */
static void use_up_to_distinct(pid_t highest)
{
	int used = 0, taken;

	for (pid_t last = last_id(&taken); last != 0 && !is_fit(last + 1, highest) && used < 2 * SMALL;
	     last = last_id(&taken), used++) {
		pid_t wanted = distinct_after(last);
		if (skip_to((is_fit(wanted, highest) ? wanted : distinct_after(0)) - 1))
			continue;
		int left = (wanted <= highest - ROOM ? wanted : highest + 1) - last - 1 - taken;
		for (int i = 0; i < left && i < LOOK_AFTER; i++, used++)
			use_up_one();
	}
	if (used > UINT8_MAX)
		explain("used up %d process IDs, so that the program's is no small number", used);
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

/* In the upper half; -1: none. */
static pid_t any_distinct(pid_t highest)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return -1;
	return distinct_after(highest / 2 + (pid_t)(number % (uint32_t)(highest / 2 - ROOM)));
}

/* Needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN (clone(2), set_tid; Linux 5.5). */
static pid_t fork_chosen(pid_t highest)
{
	pid_t result = -1;

	for (int i = 0; i < ATTEMPTS && result < 0; i++) {
		pid_t wanted = any_distinct(highest);
		if (wanted < 0)
			return -1;
		struct clone_args arguments = {
		        .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&wanted, .set_tid_size = 1};
		result = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	}
	return result;
}

static bool can_choose(pid_t highest)
{
	return getpid() < DISTINCT && highest > 2 * DISTINCT;
}

/* On a machine's own IDs the next ones of all others follow. */
static bool is_own_namespace(void)
{
	const ino_t machines = 0xeffffffc; /* PROC_PID_INIT_INO, include/linux/proc_ns.h */
	struct stat status;

	return stat("/proc/self/ns/pid", &status) == 0 && status.st_ino != machines;
}

/* Whose ID can be chosen has threads whose IDs can't: they follow on. In a namespace that was just made those
 * are chosen, too. A JVM of 350 MB had four of 18 by accident when they began at SMALL. */
void leave_common_ids(void)
{
	pid_t highest = highest_id();
	bool chooses = can_choose(highest) && geteuid() == 0;
	int taken;

	if (highest <= SMALL + UINT8_MAX || (chooses && last_id(&taken) >= SMALL))
		return;
	pid_t next = chooses && is_own_namespace() ? any_distinct(highest) : -1;
	if (next < 0 || !skip_to(next - 1))
		use_up_to_distinct(highest);
}

/* Who traces us, with strace(1) for example, wants to see us at work. */
bool leave_small_ids(void)
{
	if (getpid() >= COMMON_BELOW || process_status_number(getpid(), "TracerPid") != 0 ||
	    highest_id() <= SMALL + UINT8_MAX)
		return false;
	leave_common_ids();
	return true;
}

pid_t fork_distinct(void)
{
	pid_t highest = highest_id(), child;

	if (can_choose(highest) && (child = fork_chosen(highest)) >= 0)
		return child;
	for (int attempt = 0;; attempt++) {
		if (highest > SMALL + UINT8_MAX)
			use_up_to_distinct(highest);
		child = fork();
		/* Others may have taken the IDs in between, up to where the kernel began again. */
		if (child <= 0 || is_fit(child, highest) || highest <= SMALL + UINT8_MAX ||
		    attempt >= (child < SMALL ? MANY_ATTEMPTS : ATTEMPTS))
			return child;
		kill(child, SIGKILL); /* it waits to be told to go on */
		waitpid(child, NULL, 0);
	}
}
