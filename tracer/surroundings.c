#include "tracer/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tracer/caller.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* Linux 5.6 */
#endif

/* What the clocks show at first: a program may take 0 for "never". */
enum { FIRST_SECOND = 10 };

/* Errno, or 0. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

/* The caller's user and group are the only ones there, as themselves (user_namespaces(7)). */
static int map_ids(uid_t user, gid_t group)
{
	char users[64], groups[64];
	int error;

	snprintf(users, sizeof(users), "%u %u 1\n", user, user);
	snprintf(groups, sizeof(groups), "%u %u 1\n", group, group);
	if ((error = write_file("/proc/self/setgroups", "deny")) ||
	    (error = write_file("/proc/self/uid_map", users)))
		return error;
	return write_file("/proc/self/gid_map", groups);
}

/* Those of a new user namespace aren't the program's, which would lose them by its exec. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capset, &header, none) < 0 ? errno : 0;
}

/* An offset is from the machine's own clock, so it's what the clock shows there; at most to the second. */
static int set_clocks(void)
{
	static const struct {
		clockid_t clock;
		const char *name;
	} clocks[] = {{CLOCK_MONOTONIC, "monotonic"}, {CLOCK_BOOTTIME, "boottime"}};
	char text[128] = "";
	size_t length = 0;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
		struct timespec now = {0};

		clock_gettime(clocks[i].clock, &now);
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s %lld 0\n",
		                           clocks[i].name, (long long)(FIRST_SECOND - now.tv_sec));
	}
	return write_file("/proc/self/timens_offsets", text);
}

/* A namespace of time holds the children of its maker, and by setns(2) a process of one thread itself. */
static int join_clocks(void)
{
	int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	int error = fd < 0 || setns(fd, CLONE_NEWTIME) < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

/* Whether the clocks are those of the machine itself: another namespace's offsets can't be taken back by
 * ones of our own, which count from the machine's. */
static bool has_machine_clocks(void)
{
	char own[64] = "", initial[64] = "";

	return readlink("/proc/self/ns/time", own, sizeof(own) - 1) > 0 &&
	       (readlink("/proc/1/ns/time", initial, sizeof(initial) - 1) < 0 || strcmp(own, initial) == 0);
}

/* A child tries first: a user namespace that turns out to be of no use could not be left again. */
static bool can_make_user_namespace(int *ret_error)
{
	uid_t user = geteuid();
	gid_t group = getegid();
	int pipes[2], error = EAGAIN;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return false;
	pid_t child = fork();
	if (child == 0) {
		int reason = unshare(CLONE_NEWUSER | CLONE_NEWTIME) < 0 ? errno : map_ids(user, group);
		if (!reason && !(reason = set_clocks()))
			reason = join_clocks();
		ssize_t ignored = write(pipes[1], &reason, sizeof(reason));
		(void)ignored;
		_exit(0);
	}
	close(pipes[1]);
	if (child > 0) {
		if (read(pipes[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
			error = EAGAIN;
		waitpid(child, NULL, 0);
	}
	close(pipes[0]);
	*ret_error = error;
	return error == 0;
}

static int begin_clocks(void)
{
	uid_t user = geteuid();
	gid_t group = getegid();
	bool of_user = false;
	int error = 0;

	if (!has_machine_clocks())
		return EBUSY;
	if (unshare(CLONE_NEWTIME) < 0) {
		if (getuid() != user || getgid() != group)
			return EPERM; /* both can't be mapped */
		if (!can_make_user_namespace(&error))
			return error;
		of_user = true;
		if (unshare(CLONE_NEWUSER | CLONE_NEWTIME) < 0 || (errno = map_ids(user, group)))
			return errno;
	}
	if ((error = set_clocks()) || (error = join_clocks()))
		return error;
	return of_user ? drop_capabilities() : 0;
}

static const char *reason_of(int error)
{
	return error == EBUSY ? "it is in one already" : strerror(error);
}

/* What the caller has set is his. */
static enum status set_variable(const char *name, const char *value)
{
	if (setenv(name, value, 0) < 0)
		return fail(STATUS_FAILED, "%s: %s", name, strerror(errno));
	return STATUS_OK;
}

static enum status become_portable(void)
{
	int error = begin_clocks();

	if (error)
		tell("--portable: the clock of the image is this machine's and not near zero: no time "
		     "namespace can be made for it: %s",
		     reason_of(error));
	return set_variable("LD_BIND_NOW", "1");
}

static enum status become_reproducible(void)
{
	static const char *const seeds[] = {"PYTHONHASHSEED", "PERL_HASH_SEED", "PERL_PERTURB_KEYS"};
	int before = personality(0xffffffff);
	enum status status = STATUS_OK;

	if (before < 0 || personality((unsigned long)before | ADDR_NO_RANDOMIZE) < 0)
		return fail(STATUS_FAILED, "--reproducible: addresses can't be fixed (personality): %s",
		            strerror(errno));
	the_caller.fixed_addresses = !(before & ADDR_NO_RANDOMIZE);
	for (size_t i = 0; i < sizeof(seeds) / sizeof(*seeds) && status == STATUS_OK; i++)
		status = set_variable(seeds[i], "0");
	return status;
}

enum status surroundings_enter(const struct options *options)
{
	enum status status = STATUS_OK;

	if (options->portable)
		status = become_portable();
	if (status == STATUS_OK && options->reproducible)
		status = become_reproducible();
	return status;
}
