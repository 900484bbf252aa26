/*
 * The policy is one table, a row a system call: it passes, or it has an effect
 * with these arguments only. A call that is in no row has one.
 *
 * An effect is what another process, a file, a device or the network could
 * notice, or what takes something away from outside, as reading an inherited
 * descriptor does. What a process does to itself isn't one: its memory, its
 * signal actions, opening a file to read, becoming another program by exec.
 * What an image can't carry yet counts as an effect too, so that the program
 * is frozen before and not refused behind.
 */
#include "effect_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "caller.h"
#include "effect_own.h"
#include "system_calls.h"
#include "tracee.h"
#include "tracee_memory.h"

enum verdict {
	PASSES = 1,
	OPENS,      /* an effect when it may write or make the file; argument: the flags */
	MAPS,       /* when others see what is written there */
	TAKES,      /* when the descriptor was inherited; argument: the descriptor */
	DUPLICATES, /* when an inherited one gets another number, by which it would be unknown here */
	CONTROLS,   /* fcntl: when the open file is changed for all who have it */
	ASKS,       /* ioctl: unless it only asks */
	SIGNALS,    /* unless to itself; argument: the process */
	GIVES,      /* unless it writes to what only the process itself has; argument: the descriptor */
	CONNECTS,   /* socket: unless it is one that images carry, and that nobody can reach yet */
	SETS,       /* setsockopt: unless it is about the socket itself */
	KEYS,       /* unless this processor has no protection keys */
	STARTS,     /* unless a thread */
	ENDS,       /* unless a thread beside the main one */
};

struct row {
	const char *name;
	uint8_t verdict, argument;
};

/* clang-format off */
static const struct row policy[] = {
	/* memory */
	{"mmap", MAPS, 3}, {"munmap", PASSES, 0}, {"mprotect", PASSES, 0}, {"mremap", PASSES, 0},
	{"madvise", PASSES, 0}, {"brk", PASSES, 0}, {"mlock", PASSES, 0}, {"mlock2", PASSES, 0},
	{"munlock", PASSES, 0}, {"mlockall", PASSES, 0}, {"munlockall", PASSES, 0}, {"mincore", PASSES, 0},
	{"mbind", PASSES, 0}, {"get_mempolicy", PASSES, 0}, {"set_mempolicy", PASSES, 0}, {"membarrier", PASSES, 0},
	{"pkey_alloc", KEYS, 0}, {"pkey_mprotect", PASSES, 0}, {"pkey_free", PASSES, 0}, {"mseal", PASSES, 0}, {"map_shadow_stack", PASSES, 0},
	/* files that are only looked at */
	{"open", OPENS, 1}, {"openat", OPENS, 2}, {"close", PASSES, 0}, {"close_range", PASSES, 0},
	{"stat", PASSES, 0}, {"fstat", PASSES, 0}, {"lstat", PASSES, 0}, {"newfstatat", PASSES, 0},
	{"statx", PASSES, 0}, {"statfs", PASSES, 0}, {"fstatfs", PASSES, 0}, {"ustat", PASSES, 0},
	{"access", PASSES, 0}, {"faccessat", PASSES, 0}, {"faccessat2", PASSES, 0}, {"readlink", PASSES, 0},
	{"readlinkat", PASSES, 0}, {"getcwd", PASSES, 0}, {"chdir", PASSES, 0}, {"fchdir", PASSES, 0},
	{"umask", PASSES, 0}, {"getxattr", PASSES, 0}, {"lgetxattr", PASSES, 0}, {"fgetxattr", PASSES, 0},
	{"listxattr", PASSES, 0}, {"llistxattr", PASSES, 0}, {"flistxattr", PASSES, 0}, {"readahead", PASSES, 0},
	{"fadvise64", PASSES, 0}, {"name_to_handle_at", PASSES, 0}, {"cachestat", PASSES, 0},
	/* descriptors */
	{"read", TAKES, 0}, {"pread64", TAKES, 0}, {"readv", TAKES, 0}, {"preadv", TAKES, 0}, {"preadv2", TAKES, 0},
	{"lseek", TAKES, 0}, {"getdents", TAKES, 0}, {"getdents64", TAKES, 0},
	{"dup", DUPLICATES, 0}, {"dup2", DUPLICATES, 0}, {"dup3", DUPLICATES, 0}, {"fcntl", CONTROLS, 1},
	{"ioctl", ASKS, 1}, {"poll", PASSES, 0}, {"ppoll", PASSES, 0}, {"select", PASSES, 0}, {"pselect6", PASSES, 0},
	{"getsockname", PASSES, 0}, {"getpeername", PASSES, 0}, {"getsockopt", PASSES, 0},
	{"write", GIVES, 0}, {"writev", GIVES, 0}, {"pwrite64", GIVES, 0}, {"pwritev", GIVES, 0}, {"pwritev2", GIVES, 0},
	{"ftruncate", GIVES, 0}, {"fallocate", GIVES, 0}, {"recvfrom", TAKES, 0}, {"recvmmsg", TAKES, 0},
	{"pipe", PASSES, 0}, {"pipe2", PASSES, 0}, {"eventfd", PASSES, 0}, {"eventfd2", PASSES, 0},
	{"memfd_create", PASSES, 0}, {"socketpair", PASSES, 0}, {"socket", CONNECTS, 0}, {"setsockopt", SETS, 1},
	{"epoll_create", PASSES, 0}, {"epoll_create1", PASSES, 0}, {"epoll_ctl", PASSES, 0}, {"epoll_wait", PASSES, 0},
	{"epoll_pwait", PASSES, 0}, {"epoll_pwait2", PASSES, 0}, {"signalfd", PASSES, 0}, {"signalfd4", PASSES, 0},
	{"inotify_init", PASSES, 0}, {"inotify_init1", PASSES, 0}, {"inotify_add_watch", PASSES, 0},
	{"inotify_rm_watch", PASSES, 0},
	{"timerfd_create", PASSES, 0}, {"timerfd_settime", PASSES, 0}, {"timerfd_gettime", PASSES, 0},
	/* signals, threads, time */
	{"clone", STARTS, 0}, {"clone3", STARTS, 0}, {"exit", ENDS, 0}, {"setitimer", PASSES, 0}, {"alarm", PASSES, 0},
	{"timer_create", PASSES, 0}, {"timer_settime", PASSES, 0}, {"timer_gettime", PASSES, 0},
	{"timer_getoverrun", PASSES, 0}, {"timer_delete", PASSES, 0},
	{"rt_sigaction", PASSES, 0}, {"rt_sigprocmask", PASSES, 0}, {"rt_sigreturn", PASSES, 0},
	{"rt_sigpending", PASSES, 0}, {"rt_sigtimedwait", PASSES, 0}, {"rt_sigsuspend", PASSES, 0},
	{"sigaltstack", PASSES, 0}, {"pause", PASSES, 0}, {"kill", SIGNALS, 0}, {"tgkill", SIGNALS, 0},
	{"rt_sigqueueinfo", SIGNALS, 0}, {"rt_tgsigqueueinfo", SIGNALS, 0},
	{"futex", PASSES, 0}, {"futex_wait", PASSES, 0}, {"futex_wake", PASSES, 0}, {"futex_waitv", PASSES, 0},
	{"futex_requeue", PASSES, 0}, {"set_robust_list", PASSES, 0}, {"get_robust_list", PASSES, 0},
	{"set_tid_address", PASSES, 0}, {"rseq", PASSES, 0}, {"arch_prctl", PASSES, 0}, {"gettid", PASSES, 0},
	{"sched_yield", PASSES, 0}, {"nanosleep", PASSES, 0}, {"clock_nanosleep", PASSES, 0},
	{"clock_gettime", PASSES, 0}, {"clock_getres", PASSES, 0}, {"gettimeofday", PASSES, 0}, {"time", PASSES, 0},
	{"times", PASSES, 0}, {"getitimer", PASSES, 0}, {"restart_syscall", PASSES, 0}, {"getcpu", PASSES, 0},
	/* the process and what it may ask */
	{"execve", PASSES, 0}, {"execveat", PASSES, 0}, {"wait4", PASSES, 0}, {"waitid", PASSES, 0},
	{"getpid", PASSES, 0}, {"getppid", PASSES, 0}, {"getpgrp", PASSES, 0}, {"getpgid", PASSES, 0},
	{"getsid", PASSES, 0}, {"getuid", PASSES, 0}, {"geteuid", PASSES, 0}, {"getgid", PASSES, 0},
	{"getegid", PASSES, 0}, {"getresuid", PASSES, 0}, {"getresgid", PASSES, 0}, {"getgroups", PASSES, 0},
	{"capget", PASSES, 0}, {"getrlimit", PASSES, 0}, {"setrlimit", PASSES, 0}, {"prlimit64", PASSES, 0},
	{"getrusage", PASSES, 0}, {"getpriority", PASSES, 0}, {"setpriority", PASSES, 0}, {"ioprio_get", PASSES, 0},
	{"sched_getaffinity", PASSES, 0}, {"sched_setaffinity", PASSES, 0}, {"sched_getparam", PASSES, 0},
	{"sched_getscheduler", PASSES, 0}, {"sched_get_priority_max", PASSES, 0},
	{"sched_get_priority_min", PASSES, 0}, {"sched_rr_get_interval", PASSES, 0}, {"sched_getattr", PASSES, 0},
	{"prctl", PASSES, 0}, {"personality", PASSES, 0}, {"uname", PASSES, 0}, {"sysinfo", PASSES, 0},
	{"getrandom", PASSES, 0}, {"kcmp", PASSES, 0},
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

static void watch_inherited(struct call_rules *rules, uint32_t number, unsigned argument)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++)
		call_rule_when(call_rules_add(rules, number, number), argument, UINT32_MAX,
		               (uint32_t)the_caller.descriptor[i].number);
}

/* lseek(fd, 0, SEEK_CUR) and the like move nothing. */
static void watch_moving(struct call_rules *rules, uint32_t number)
{
	size_t first = rules->count;

	watch_inherited(rules, number, 0);
	for (size_t i = first; i < rules->count; i++)
		call_rule_unless(&rules->rule[i], 2, UINT32_MAX, SEEK_CUR);
}

static void watch_open(struct call_rules *rules, uint32_t number, unsigned argument)
{
	const uint32_t writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

	call_rule_unless(call_rules_add(rules, number, number), argument, writes, 0);
}

static void watch_map(struct call_rules *rules, uint32_t number)
{
	struct call_rule *rule = call_rules_add(rules, number, number);

	call_rule_when(rule, 3, MAP_SHARED, MAP_SHARED); /* MAP_SHARED_VALIDATE has its bit too */
	call_rule_when(rule, 2, PROT_WRITE, PROT_WRITE);
	rule = call_rules_add(rules, number, number);
	call_rule_when(rule, 3, MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS);
}

static const uint32_t of_inherited[] = {F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_ADD_SEALS};

static void watch_control(struct call_rules *rules, uint32_t number)
{
	static const uint32_t effects[] = {F_SETLK,     F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW, F_SETOWN,
	                                   F_SETOWN_EX, F_SETSIG, F_SETLEASE,  F_NOTIFY};

	for (size_t i = 0; i < sizeof(effects) / sizeof(*effects); i++)
		call_rule_when(call_rules_add(rules, number, number), 1, UINT32_MAX, effects[i]);
	for (size_t i = 0; i < sizeof(of_inherited) / sizeof(*of_inherited); i++) {
		size_t first = rules->count;

		watch_inherited(rules, number, 0);
		for (size_t at = first; at < rules->count; at++)
			call_rule_when(&rules->rule[at], 1, UINT32_MAX, of_inherited[i]);
	}
}

static void watch_ioctl(struct call_rules *rules, uint32_t number)
{
	static const uint32_t asking[] = {
	        TCGETS,  0x802c542a /* TCGETS2 */, TIOCGWINSZ, TIOCGPGRP, TIOCGSID, FIONREAD, FIOCLEX,
	        FIONCLEX};
	struct call_rule *rule = call_rules_add(rules, number, number);

	for (size_t i = 0; i < sizeof(asking) / sizeof(*asking); i++)
		call_rule_unless(rule, 1, UINT32_MAX, asking[i]);
}

static void watch_row(const struct row *row, struct call_rules *rules)
{
	uint32_t number = number_of(row);

	switch ((enum verdict)row->verdict) {
	case PASSES:
		break;
	case SIGNALS:
	case GIVES:
	case CONNECTS:
	case KEYS:
	case STARTS:
	case ENDS:
		call_rules_add(rules, number, number);
		break;
	case SETS:
		call_rule_unless(call_rules_add(rules, number, number), row->argument, UINT32_MAX,
		                 SOL_SOCKET);
		watch_inherited(rules, number, 0);
		break;
	case OPENS:
		watch_open(rules, number, row->argument);
		break;
	case MAPS:
		watch_map(rules, number);
		break;
	case TAKES:
		if (number == SYS_lseek)
			watch_moving(rules, number);
		else
			watch_inherited(rules, number, row->argument);
		break;
	case DUPLICATES:
		watch_inherited(rules, number, row->argument);
		break;
	case CONTROLS:
		watch_control(rules, number);
		break;
	case ASKS:
		watch_ioctl(rules, number);
		break;
	}
}

void effect_policy_watch(struct call_rules *rules)
{
	bool known[NUMBERS] = {false};
	uint32_t first = 0;

	for (size_t i = 0; i < sizeof(policy) / sizeof(*policy); i++) {
		known[number_of(&policy[i])] = true;
		watch_row(&policy[i], rules);
	}
	for (uint32_t number = 0; number < NUMBERS; number++) {
		if (known[number] && number > first)
			call_rules_add(rules, first, number - 1);
		if (known[number])
			first = number + 1;
	}
	call_rules_add(rules, first, NUMBER_LAST);
}

static bool was_inherited(int number)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++)
		if (the_caller.descriptor[i].number == number)
			return true;
	return false;
}

/* Whether it leads to what was inherited, by that number or another (2>&1). Where the kernel can't compare
 * (no CONFIG_KCMP), yes. */
static bool is_inherited(pid_t tid, int number)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++) {
		long differs = syscall(SYS_kcmp, tid, getpid(), KCMP_FILE, (long)number,
		                       (long)the_caller.descriptor[i].number);

		if (differs == 0 || (differs < 0 && errno != EBADF))
			return true;
	}
	return false;
}

/* dup2 and dup3 onto a number that is known here lead to no unknown one. */
static bool duplicates_unseen(pid_t tid, const struct call *call)
{
	return is_inherited(tid, (int)call->argument[0]) &&
	       (call->number == SYS_dup || !was_inherited((int)call->argument[1]));
}

/* Devices that writing to tells nobody of. */
static bool opens_nothing(pid_t tid, uint64_t address)
{
	static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
	                                      "/dev/urandom"};
	char path[16];

	if (tracee_read_string(tid, address, path, sizeof(path)) < 0)
		return false;
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		if (strcmp(devices[i], path) == 0)
			return true;
	return false;
}

static bool is_of_inherited(uint32_t command)
{
	for (size_t i = 0; i < sizeof(of_inherited) / sizeof(*of_inherited); i++)
		if (of_inherited[i] == command)
			return true;
	return false;
}

bool effect_is_certain(pid_t tid, const struct call *call)
{
	const char *name = system_call_name(call->number);
	int descriptor = (int)call->argument[0];

	for (size_t i = 0; i < sizeof(policy) / sizeof(*policy); i++) {
		if (strcmp(policy[i].name, name) != 0)
			continue;
		switch ((enum verdict)policy[i].verdict) {
		case OPENS: /* the path stands before the flags */
			return !opens_nothing(tid, call->argument[policy[i].argument - 1]);
		case TAKES:
			return is_inherited(tid, descriptor);
		case DUPLICATES:
			return duplicates_unseen(tid, call);
		case CONTROLS:
			return !is_of_inherited((uint32_t)call->argument[1]) || is_inherited(tid, descriptor);
		case ASKS:
			return call->argument[1] != FIONBIO || is_inherited(tid, descriptor);
		case GIVES:
			return is_inherited(tid, descriptor) || !effect_is_own(tid, descriptor);
		case CONNECTS:
			return !effect_plain_socket(call);
		case SETS:
			return is_inherited(tid, descriptor) || !effect_sets_socket(call);
		case KEYS:
			return effect_gives_keys();
		case STARTS:
			return !effect_starts_thread(tid, call);
		case ENDS:
			return !effect_ends_thread(tid);
		case SIGNALS:
			return descriptor != process_status_number(tid, "Tgid");
		default:
			return true;
		}
	}
	return true;
}
