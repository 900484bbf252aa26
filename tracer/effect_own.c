#include "effect_own.h"

#include <dirent.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "caller.h"
#include "tracee.h"
#include "tracee_memory.h"
#include "unix_diag.h"

enum { LINK_SIZE = 64 };

/* What readlink(2) of /proc/PID/fd/N begins with (proc(5)). A FIFO has its path there, an inherited pipe does
 * not get here, and no other way leads to another's but a socket that is connected, which is an effect. */
static const char *const own[] = {"pipe:[", "anon_inode:[eventfd]", "anon_inode:[timerfd]", "/memfd:"};

static bool read_link(pid_t pid, const char *number, char *link)
{
	char path[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/fd/%.16s", pid, number);
	length = readlink(path, link, LINK_SIZE - 1);
	link[length > 0 ? length : 0] = '\0';
	return length > 0;
}

static bool has_descriptor_of(pid_t pid, const char *wanted)
{
	char path[32], link[LINK_SIZE];
	struct dirent *entry;
	bool found = false;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	if (!(directory = opendir(path)))
		return false;
	while (!found && (entry = readdir(directory)))
		found = read_link(pid, entry->d_name, link) && strcmp(link, wanted) == 0;
	closedir(directory);
	return found;
}

/* A pair: the other end is here, too. Only sock_diag(7) tells which it is. */
static bool is_own_pair(pid_t pid, const char *link)
{
	char other[LINK_SIZE];
	struct unix_state state;
	uint32_t inode;

	if (sscanf(link, "socket:[%u]", &inode) != 1 || !unix_diag_ask(inode, &state) || state.peer == 0)
		return false;
	snprintf(other, sizeof(other), "socket:[%u]", state.peer);
	return has_descriptor_of(pid, other);
}

bool effect_is_own(pid_t tid, int descriptor)
{
	char number[16], link[LINK_SIZE];

	if (the_caller.attached) /* what it was born with nobody knows */
		return false;
	snprintf(number, sizeof(number), "%d", descriptor);
	if (!read_link(tid, number, link))
		return false;
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (strncmp(link, own[i], strlen(own[i])) == 0)
			return true;
	return is_own_pair(tid, link);
}

bool effect_plain_socket(const struct call *call)
{
	int family = (int)call->argument[0];
	int type = (int)call->argument[1] & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (family == AF_UNIX)
		return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
	return (family == AF_INET || family == AF_INET6) && (type == SOCK_STREAM || type == SOCK_DGRAM);
}

bool effect_sets_socket(const struct call *call)
{
	int level = (int)call->argument[1];

	return level == SOL_SOCKET || level == IPPROTO_TCP ||
	       (level == IPPROTO_IPV6 && (int)call->argument[2] == IPV6_V6ONLY);
}

bool effect_gives_keys(void)
{
	long key = syscall(SYS_pkey_alloc, 0, 0);

	if (key >= 0)
		syscall(SYS_pkey_free, key);
	return key >= 0;
}

bool effect_starts_thread(pid_t tid, const struct call *call)
{
	uint64_t flags = call->argument[0];

	/* struct clone_args begins with the flags (clone(2)). Another thread could change them before the
	 * call is made, but none that runs of itself would. */
	if (call->number == SYS_clone3 && tracee_read(tid, call->argument[0], &flags, sizeof(flags)) < 0)
		return false;
	return flags & CLONE_THREAD;
}

bool effect_ends_thread(pid_t tid)
{
	return process_status_number(tid, "Tgid") != tid;
}
