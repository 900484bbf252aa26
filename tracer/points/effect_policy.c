/*
 * The policy is one table, a row a system call: it passes, or it has an effect
 * with these arguments only. A call that is in no row has one.
 *
 * An effect is what another process, a file, a device or the network could
 * notice, or what takes something away from outside, as reading an inherited
 * descriptor does. What a process does to itself isn't one: its memory, its
 * signal actions, opening a file to read, becoming another program by exec.
 * What an image can't carry yet counts as an effect too, so that the program
 * is frozen before it and not refused after it.
 */
#include "tracer/points/effect_policy.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/points/effect_rules.h"
#include "tracer/ptrace/system_calls.h"

struct row {
	const char *name;
	const struct effect_rule *rule;
	unsigned argument; /* see effect_rules.h */
};

/* clang-format off */
static const struct row policy[] = {
	/* memory */
	{"mmap", &effect_maps, 3}, {"munmap", &effect_never, 0}, {"mprotect", &effect_never, 0},
	{"mremap", &effect_never, 0}, {"madvise", &effect_never, 0}, {"brk", &effect_never, 0},
	{"mlock", &effect_never, 0}, {"mlock2", &effect_never, 0}, {"munlock", &effect_never, 0},
	{"mlockall", &effect_never, 0}, {"munlockall", &effect_never, 0}, {"mincore", &effect_never, 0},
	{"mbind", &effect_never, 0}, {"get_mempolicy", &effect_never, 0}, {"set_mempolicy", &effect_never, 0},
	{"membarrier", &effect_never, 0}, {"pkey_mprotect", &effect_never, 0}, {"mseal", &effect_never, 0},
	{"map_shadow_stack", &effect_never, 0},
	/* files that are only looked at */
	{"open", &effect_opens, 1}, {"openat", &effect_opens, 2}, {"close", &effect_never, 0},
	{"close_range", &effect_never, 0}, {"stat", &effect_never, 0}, {"fstat", &effect_never, 0},
	{"lstat", &effect_never, 0}, {"newfstatat", &effect_never, 0}, {"statx", &effect_never, 0},
	{"statfs", &effect_never, 0}, {"fstatfs", &effect_never, 0}, {"ustat", &effect_never, 0},
	{"access", &effect_never, 0}, {"faccessat", &effect_never, 0}, {"faccessat2", &effect_never, 0},
	{"readlink", &effect_never, 0}, {"readlinkat", &effect_never, 0}, {"getcwd", &effect_never, 0},
	{"chdir", &effect_never, 0}, {"fchdir", &effect_never, 0}, {"umask", &effect_never, 0},
	{"getxattr", &effect_never, 0}, {"lgetxattr", &effect_never, 0}, {"fgetxattr", &effect_never, 0},
	{"listxattr", &effect_never, 0}, {"llistxattr", &effect_never, 0}, {"flistxattr", &effect_never, 0},
	{"readahead", &effect_never, 0}, {"fadvise64", &effect_never, 0}, {"name_to_handle_at", &effect_never, 0},
	{"cachestat", &effect_never, 0}, {"io_uring_setup", &effect_never, 0}, /* what a ring does is one */
	/* descriptors */
	{"read", &effect_takes, 0}, {"pread64", &effect_takes, 0}, {"readv", &effect_takes, 0},
	{"preadv", &effect_takes, 0}, {"preadv2", &effect_takes, 0}, {"lseek", &effect_moves, 0},
	{"getdents", &effect_takes, 0}, {"getdents64", &effect_takes, 0}, {"dup", &effect_duplicates, 0},
	{"dup2", &effect_duplicates, 0}, {"dup3", &effect_duplicates, 0}, {"fcntl", &effect_controls, 1},
	{"ioctl", &effect_asks, 1}, {"poll", &effect_never, 0}, {"ppoll", &effect_never, 0},
	{"select", &effect_never, 0}, {"pselect6", &effect_never, 0}, {"getsockname", &effect_never, 0},
	{"getpeername", &effect_never, 0}, {"getsockopt", &effect_never, 0}, {"write", &effect_gives, 0},
	{"writev", &effect_gives, 0}, {"pwrite64", &effect_gives, 0}, {"pwritev", &effect_gives, 0},
	{"pwritev2", &effect_gives, 0}, {"ftruncate", &effect_gives, 0}, {"fallocate", &effect_gives, 0},
	{"pipe", &effect_never, 0}, {"pipe2", &effect_flagged, 1}, {"eventfd", &effect_never, 0},
	{"eventfd2", &effect_never, 0}, {"memfd_create", &effect_flagged, 1}, {"signalfd", &effect_takes, 0},
	{"signalfd4", &effect_takes, 0}, {"timerfd_create", &effect_never, 0},
	{"timerfd_settime", &effect_takes, 0}, {"timerfd_gettime", &effect_never, 0},
	{"epoll_create", &effect_never, 0}, {"epoll_create1", &effect_never, 0}, {"epoll_ctl", &effect_takes, 0},
	{"epoll_wait", &effect_takes, 0}, {"epoll_pwait", &effect_takes, 0}, {"epoll_pwait2", &effect_takes, 0},
	{"socketpair", &effect_sockets, 0}, {"socket", &effect_sockets, 0}, {"setsockopt", &effect_options, 1},
	{"recvfrom", &effect_takes, 0}, {"recvmsg", &effect_takes, 0}, {"recvmmsg", &effect_takes, 0},
	{"sendto", &effect_sends, 4}, {"sendmsg", &effect_sends_more, 1},
	/* signals, threads, time */
	{"rt_sigaction", &effect_never, 0}, {"rt_sigprocmask", &effect_never, 0},
	{"rt_sigreturn", &effect_never, 0}, {"rt_sigpending", &effect_never, 0},
	{"rt_sigtimedwait", &effect_never, 0}, {"rt_sigsuspend", &effect_never, 0},
	{"sigaltstack", &effect_never, 0}, {"pause", &effect_never, 0}, {"kill", &effect_signals, 0},
	{"tgkill", &effect_signals, 0}, {"rt_sigqueueinfo", &effect_signals, 0},
	{"rt_tgsigqueueinfo", &effect_signals, 0}, {"futex", &effect_never, 0}, {"futex_wait", &effect_never, 0},
	{"futex_wake", &effect_never, 0}, {"futex_waitv", &effect_never, 0}, {"futex_requeue", &effect_never, 0},
	{"set_robust_list", &effect_never, 0}, {"get_robust_list", &effect_never, 0},
	{"set_tid_address", &effect_never, 0}, {"rseq", &effect_never, 0}, {"arch_prctl", &effect_never, 0},
	{"gettid", &effect_never, 0}, {"sched_yield", &effect_never, 0}, {"nanosleep", &effect_never, 0},
	{"clock_nanosleep", &effect_never, 0}, {"clock_gettime", &effect_never, 0},
	{"clock_getres", &effect_never, 0}, {"gettimeofday", &effect_never, 0}, {"time", &effect_never, 0},
	{"times", &effect_never, 0}, {"getitimer", &effect_never, 0}, {"restart_syscall", &effect_never, 0},
	{"getcpu", &effect_never, 0}, {"tkill", &effect_signals, 0}, {"clone", &effect_begins, 0},
	{"clone3", &effect_begins_as, 0}, {"exit", &effect_ends, 0}, {"setitimer", &effect_never, 0},
	{"alarm", &effect_never, 0}, {"timer_create", &effect_negative, 0}, {"timer_settime", &effect_never, 0},
	{"timer_gettime", &effect_never, 0}, {"timer_getoverrun", &effect_never, 0},
	{"timer_delete", &effect_never, 0},
	/* the process and what it may ask */
	{"execve", &effect_never, 0}, {"execveat", &effect_never, 0}, {"wait4", &effect_never, 0},
	{"waitid", &effect_never, 0}, {"getpid", &effect_never, 0}, {"getppid", &effect_never, 0},
	{"getpgrp", &effect_never, 0}, {"getpgid", &effect_never, 0}, {"getsid", &effect_never, 0},
	{"getuid", &effect_never, 0}, {"geteuid", &effect_never, 0}, {"getgid", &effect_never, 0},
	{"getegid", &effect_never, 0}, {"getresuid", &effect_never, 0}, {"getresgid", &effect_never, 0},
	{"getgroups", &effect_never, 0}, {"capget", &effect_never, 0}, {"getrlimit", &effect_never, 0},
	{"setrlimit", &effect_never, 0}, {"prlimit64", &effect_never, 0}, {"getrusage", &effect_never, 0},
	{"getpriority", &effect_never, 0}, {"setpriority", &effect_never, 0}, {"ioprio_get", &effect_never, 0},
	{"sched_getaffinity", &effect_never, 0}, {"sched_setaffinity", &effect_never, 0},
	{"sched_getparam", &effect_never, 0}, {"sched_getscheduler", &effect_never, 0},
	{"sched_get_priority_max", &effect_never, 0}, {"sched_get_priority_min", &effect_never, 0},
	{"sched_rr_get_interval", &effect_never, 0}, {"sched_getattr", &effect_never, 0},
	{"prctl", &effect_never, 0}, {"personality", &effect_never, 0}, {"uname", &effect_never, 0},
	{"sysinfo", &effect_never, 0}, {"getrandom", &effect_never, 0}, {"kcmp", &effect_never, 0},
};
/* clang-format on */

enum { NUMBERS = 1024, NUMBER_LAST = 0x3fffffff };

static uint32_t number_of(const struct row *row)
{
	int number = system_call_number(row->name);

	if (number < 0 || number >= NUMBERS)
		abort(); /* the tables are known when this is built */
	return (uint32_t)number;
}

void effect_policy_watch(struct call_rules *rules)
{
	bool known[NUMBERS] = {false};
	uint32_t first = 0;

	for (size_t i = 0; i < sizeof(policy) / sizeof(*policy); i++) {
		known[number_of(&policy[i])] = true;
		if (policy[i].rule->watch)
			policy[i].rule->watch(rules, number_of(&policy[i]), policy[i].argument);
	}
	for (uint32_t number = 0; number < NUMBERS; number++) {
		if (known[number] && number > first)
			call_rules_add(rules, first, number - 1);
		if (known[number])
			first = number + 1;
	}
	call_rules_add(rules, first, NUMBER_LAST);
}

bool effect_is_certain(pid_t tid, const struct call *call)
{
	const char *name = system_call_name(call->number);

	for (size_t i = 0; i < sizeof(policy) / sizeof(*policy); i++)
		if (strcmp(policy[i].name, name) == 0)
			return !policy[i].rule->is_certain ||
			       policy[i].rule->is_certain(tid, call, policy[i].argument);
	return true;
}
