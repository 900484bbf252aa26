/*
 * What confines or places a program, and what it has set. The first table's modes are refused, the second's
 * carried.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <linux/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "../check.h"
#include "modes.h"

enum { PAGE = 4096, MUCH = 1 << 20 };

static void marker(void)
{
	syscall(SYS_access, "/snap/here", 0);
}

static void skip(const char *what)
{
	perror(what);
	_exit(77);
}

static bool landlock(void)
{
	uint64_t rules = 1 << 2; /* struct landlock_ruleset_attr: LANDLOCK_ACCESS_FS_READ_FILE is handled */
	long ruleset = syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	return ruleset >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 && close((int)ruleset) == 0;
}

/* A sandbox that was refused is none: the image is made. */
static bool landlock_failed(void)
{
	return syscall(SYS_landlock_restrict_self, -1, 0) < 0;
}

static volatile char selector = SYSCALL_DISPATCH_FILTER_ALLOW;

static bool user_dispatch(void)
{
	return prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_EXCLUSIVE_ON, 0, 0, &selector) == 0;
}

/* Whose user the other side is told, for ever (SO_PEERCRED). */
static bool other_maker(void)
{
	int pair[2];
	return syscall(SYS_setresuid, -1, 71, -1) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 &&
	       close(pair[1]) == 0 && syscall(SYS_setresuid, -1, 0, -1) == 0;
}

static bool process_keyring(void)
{
	return syscall(SYS_add_key, "user", "confined", "secret", 6, KEY_SPEC_PROCESS_KEYRING) >= 0;
}

static bool thread_keyring(void)
{
	return syscall(SYS_add_key, "user", "confined", "secret", 6, KEY_SPEC_THREAD_KEYRING) >= 0;
}

static bool session_keyring(void)
{
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0;
}

/* The set goes with the process: nobody is to find it later. */
static bool semaphore_undo(void)
{
	struct sembuf up = {.sem_op = 1, .sem_flg = SEM_UNDO};
	int set = semget(IPC_PRIVATE, 1, 0600);
	char name[16];
	if (set < 0 || semop(set, &up, 1) < 0)
		return false;
	snprintf(name, sizeof(name), "%d", set);
	FILE *file = fopen("set", "we"); /* the test takes it away */
	return file && fputs(name, file) >= 0 && fclose(file) == 0;
}

static bool memory_policy(void)
{
	return syscall(SYS_set_mempolicy, MPOL_PREFERRED, NULL, 0) == 0;
}

static bool placed_memory(void)
{
	void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory != MAP_FAILED && syscall(SYS_mbind, memory, PAGE, MPOL_PREFERRED, NULL, 0, 0) == 0;
}

static bool ports(void)
{
	return ioperm(0x80, 1, 1) == 0;
}

static bool speculation(void)
{
	return prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0) == 0 ||
	       prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_DISABLE, 0, 0) == 0;
}

static bool io_flusher(void)
{
	return prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) == 0;
}

static bool ports_by_level(void)
{
	return iopl(3) == 0;
}

struct waiter {
	void *(*call)(void *);
	void *argument;
	volatile pid_t tid;
};

static void *wait_in_call(void *of)
{
	struct waiter *waiter = of;
	waiter->tid = (pid_t)syscall(SYS_gettid);
	return waiter->call(waiter->argument);
}

/* Comes back when the other thread sleeps in its call: /proc/PID/task/TID/syscall says "running" before. */
static bool waits_in_call(void *(*call)(void *), int descriptor)
{
	static struct waiter waiter;
	pthread_t thread;
	char path[64], state[16] = "running";
	waiter = (struct waiter){call, (void *)(intptr_t)descriptor, 0};
	if (pthread_create(&thread, NULL, wait_in_call, &waiter) != 0)
		return false;
	while (waiter.tid == 0 || strncmp(state, "running", 7) == 0) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", waiter.tid);
		FILE *file = waiter.tid ? fopen(path, "re") : NULL;
		if (file) {
			if (!fgets(state, sizeof(state), file))
				return false;
			fclose(file);
		}
		sched_yield();
	}
	return true;
}

static char much[MUCH];

static void *write_much(void *descriptor)
{
	return write((int)(intptr_t)descriptor, much, MUCH) < 0 ? descriptor : NULL;
}

static void *send_much(void *descriptor)
{
	struct iovec part[2] = {{much, MUCH / 2}, {much, MUCH / 2}};
	struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
	return sendmsg((int)(intptr_t)descriptor, &message, 0) < 0 ? descriptor : NULL;
}

static void *receive_much(void *descriptor)
{
	return recv((int)(intptr_t)descriptor, much, MUCH, MSG_WAITALL) < 0 ? descriptor : NULL;
}

static bool partial_write(void)
{
	int ends[2];
	return pipe(ends) == 0 && waits_in_call(write_much, ends[1]);
}

static bool partial_send(void)
{
	int ends[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && waits_in_call(send_much, ends[1]);
}

static bool partial_receive(void)
{
	int ends[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && write(ends[0], "a part", 6) == 6 &&
	       waits_in_call(receive_much, ends[1]);
}

static void membarriers(void)
{
	const int commands[] = {MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
	                        MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ};
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0)
		skip("membarrier");
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
	marker();
	EXPECT(syscall(SYS_membarrier, commands[0], 0, 0) == 0);
	EXPECT(syscall(SYS_membarrier, commands[1], 0, 0) == 0);
	EXPECT(syscall(SYS_membarrier, commands[2], 0, 0) < 0 && errno == EPERM); /* it did not register */
}

/* As CRIU sets it, to make timers again under the IDs that they had; and what else prctl(2) has since
 * Linux 6.16.
 */
static void timer_ids(void)
{
	enum {
		RESTORE_IDS = 77,
		ON = 1,
		ASK = 2,
		CHOSEN = 4711
	}; /* PR_TIMER_CREATE_RESTORE_IDS, Linux 6.16 */
	struct sigevent none = {.sigev_notify = SIGEV_NONE};
	int id = CHOSEN;
	if (prctl(RESTORE_IDS, ON, 0, 0, 0) < 0)
		skip("PR_TIMER_CREATE_RESTORE_IDS");
	EXPECT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &none, &id) == 0 && id == CHOSEN);
	prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, 64, 0, 0); /* where the kernel has it */
	int slots = prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_GET_SLOTS, 0, 0, 0);
	marker();
	EXPECT(prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_GET_SLOTS, 0, 0, 0) == slots);
	EXPECT(prctl(RESTORE_IDS, ASK, 0, 0, 0) == ON);
	id = CHOSEN + 1;
	EXPECT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &none, &id) == 0 && id == CHOSEN + 1);
}

/* Signals that it sent itself are from it, whatever its ID is now. */
static void pending_from_itself(void)
{
	const union sigval value = {.sival_int = 77};
	siginfo_t info;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	EXPECT(sigqueue(getpid(), SIGRTMIN + 3, value) == 0 && kill(getpid(), SIGUSR1) == 0 &&
	       raise(SIGUSR2) == 0);
	marker();
	EXPECT(sigwaitinfo(&all, &info) == SIGUSR2 && info.si_pid == getpid()); /* to the thread: first */
	EXPECT(sigwaitinfo(&all, &info) == SIGUSR1 && info.si_pid == getpid());
	EXPECT(sigwaitinfo(&all, &info) == SIGRTMIN + 3 && info.si_pid == getpid() &&
	       info.si_value.sival_int == 77);
}

/* sched(7), "The autogroup feature". Of others than administrators the kernel takes few changes a second. */
static bool write_session_nice(void)
{
	int fd = open("/proc/self/autogroup", O_WRONLY);
	bool done = fd >= 0 && write(fd, "7", 1) == 1;
	close(fd);
	return done;
}

static void session_nice(void)
{
	char line[64] = "";
	if (setsid() < 0 || !write_session_nice() || !write_session_nice())
		skip("a nice value of the session");
	marker();
	int fd = open("/proc/self/autogroup", O_RDONLY);
	EXPECT(read(fd, line, sizeof(line) - 1) > 0 && strstr(line, " nice 7\n"));
}

static void name_with_newline(void)
{
	char name[16] = "";
	prctl(PR_SET_NAME, "two\nlines\n");
	marker();
	prctl(PR_GET_NAME, name);
	EXPECT(strcmp(name, "two\nlines\n") == 0);
}

struct attributes { /* sched_setattr(2) */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void slice(void)
{
	struct attributes set = {.size = sizeof(set), .runtime = 5000000}, got = {0};
	syscall(SYS_sched_setattr, 0, &set, 0);
	if (syscall(SYS_sched_getattr, 0, &got, sizeof(got), 0) < 0 || got.runtime != 5000000) {
		errno = ENOSYS;
		skip("a time slice (Linux 6.12)");
	}
	marker();
	syscall(SYS_sched_getattr, 0, &got, sizeof(got), 0);
	EXPECT(got.runtime == 5000000);
}

/* Its signal is pending, so it stands still until that is taken, and then goes on. */
static void alarm_due(void)
{
	struct itimerval often = {{0, 5000}, {0, 5000}};
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (sigset_t pending; sigpending(&pending) == 0 && !sigismember(&pending, SIGALRM);)
		;
	marker();
	for (int i = 0; i < 5; i++)
		EXPECT(sigwaitinfo(&set, &info) == SIGALRM);
}

/* Set to what the caller has: whoever starts it has something else. */
static void set_to_the_same(void)
{
	struct sigaction action;
	struct rlimit limit;
	struct stat here, there;
	cpu_set_t processors;
	mode_t mask = umask(0);

	umask(mask);
	umask(mask);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_DFL);
	getrlimit(RLIMIT_CORE, &limit);
	setrlimit(RLIMIT_CORE, &limit);
	setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0));
	char *name = realpath(".", NULL);
	EXPECT(chdir(name) == 0);
	sched_getaffinity(0, sizeof(processors), &processors);
	sched_setaffinity(0, sizeof(processors), &processors);
	marker();
	EXPECT(umask(mask) == mask);
	EXPECT(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
	EXPECT(sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
	struct rlimit now;
	EXPECT(getrlimit(RLIMIT_CORE, &now) == 0 && now.rlim_cur == limit.rlim_cur);
	EXPECT(stat(".", &here) == 0 && stat(name, &there) == 0 && here.st_ino == there.st_ino);
	cpu_set_t again;
	EXPECT(sched_getaffinity(0, sizeof(again), &again) == 0 && CPU_EQUAL(&again, &processors));
	printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
}

/* Away and back, or never: the caller's, whatever that is. */
static void left_as_it_was(void)
{
	struct sigaction before, pipe_action, action;
	struct rlimit limit, low;
	char name[4096];
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	sigaction(SIGPIPE, NULL, &pipe_action); /* a look is no change */
	sigaction(SIGINT, NULL, &before);
	signal(SIGINT, SIG_IGN);
	sigaction(SIGINT, &before, NULL);
	umask(umask(077));
	EXPECT(chdir("/") == 0 && fchdir(here) == 0);
	close(here);
	EXPECT(chdir("nowhere") < 0 && chdir("/nowhere") < 0);
	getrlimit(RLIMIT_CORE, &limit);
	low = (struct rlimit){1, limit.rlim_max};
	setrlimit(RLIMIT_CORE, &low);
	setrlimit(RLIMIT_CORE, &limit);
	marker();
	mode_t mask = umask(0);
	umask(mask);
	sigaction(SIGPIPE, NULL, &pipe_action);
	sigaction(SIGINT, NULL, &action);
	getrlimit(RLIMIT_CORE, &limit);
	printf("%s %03o %d %d %ld\n", getcwd(name, sizeof(name)), mask, pipe_action.sa_handler == SIG_IGN,
	       action.sa_handler == SIG_IGN, (long)limit.rlim_cur);
}

/* What the program asks about itself is answered as without us. */
static void asks(void)
{
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	EXPECT(prctl(PR_GET_SECCOMP) == 0);
	marker();
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	EXPECT(prctl(PR_GET_SECCOMP) == 0);
}

static void strict(void)
{
	prctl(PR_SET_SECCOMP, 1);
	marker();
}

/* To another one than its caller has, once (CAP_AUDIT_CONTROL). */
static void login(void)
{
	int fd = open("/proc/self/loginuid", O_RDWR | O_CLOEXEC);
	char before[16] = "", after[16] = "";
	if (fd < 0 || pread(fd, before, sizeof(before) - 1, 0) < 0 || write(fd, "12345", 5) != 5)
		skip("/proc/self/loginuid");
	if (pread(fd, after, sizeof(after) - 1, 0) < 0 || strcmp(before, after) == 0)
		skip("the audit login is as it was");
	close(fd);
	marker();
}

int main(int argc, char **argv)
{
	static const struct refused_mode refused[] = {
	        MODE(landlock),        MODE(landlock_failed), MODE(user_dispatch),   MODE(other_maker),
	        MODE(process_keyring), MODE(thread_keyring),  MODE(session_keyring), MODE(semaphore_undo),
	        MODE(memory_policy),   MODE(placed_memory),   MODE(ports),           MODE(ports_by_level),
	        MODE(partial_write),   MODE(partial_send),    MODE(partial_receive), MODE(speculation),
	        MODE(io_flusher),
	};
	static const struct carried_mode carried[] = {
	        MODE(membarriers), MODE(timer_ids),       MODE(name_with_newline), MODE(slice),
	        MODE(alarm_due),   MODE(set_to_the_same), MODE(left_as_it_was),    MODE(asks),
	        MODE(strict),      MODE(login),           MODE(session_nice),      MODE(pending_from_itself),
	};
	int status = run_refused(argc, argv, refused, sizeof(refused) / sizeof(*refused));

	return status != 2 ? status
	                   : run_carried(argc, argv, carried, sizeof(carried) / sizeof(*carried), &failures);
}
