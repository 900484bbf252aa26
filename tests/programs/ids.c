/* Started with its recorded ids: the process and its threads have the ids that they remember, nothing else of
 * the process's identity is another one, and what works by id works. Then it does what its standard input
 * says: e N    ends with this status          k N    sends itself this signal d      leaves a child behind
 * that writes when it is told to, and ends and writes a line for each signal that it gets. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../check.h"

enum { THREADS = 3, CAPABILITY_VERSION = 0x20080522 };

static pid_t pid, tids[THREADS];
static atomic_int started, go, hit;

struct identity {
	uid_t users[3];
	gid_t groups[3];
	unsigned capabilities[2][3];
};

static struct identity look(void)
{
	struct identity identity = {0};
	unsigned header[2] = {CAPABILITY_VERSION, 0};

	CHECK(getresuid(&identity.users[0], &identity.users[1], &identity.users[2]) == 0);
	CHECK(getresgid(&identity.groups[0], &identity.groups[1], &identity.groups[2]) == 0);
	CHECK(syscall(SYS_capget, header, identity.capabilities) == 0);
	return identity;
}

static struct identity before;
static pid_t parent;

static void check_identity(void)
{
	struct identity now = look();

	CHECK(memcmp(&now, &before, sizeof now) == 0);
}

static void *waiter(void *argument)
{
	int index = *(int *)argument;

	tids[index] = (pid_t)syscall(SYS_gettid);
	atomic_fetch_add(&started, 1);
	while (!atomic_load(&go))
		sched_yield();
	CHECK(syscall(SYS_gettid) == tids[index] && getpid() == pid);
	check_identity();
	return NULL;
}

static void on_hit(int number)
{
	(void)number;
	atomic_fetch_add(&hit, 1);
}

static void on_signal(int number)
{
	char line[] = "signal 00\n";

	line[7] = (char)('0' + number / 10);
	line[8] = (char)('0' + number % 10);
	(void)!write(1, line, sizeof line - 1);
}

static void check_signals(void)
{
	signal(SIGUSR1, on_hit);
	CHECK(raise(SIGUSR1) == 0 && atomic_load(&hit) == 1);
	CHECK(kill(getpid(), SIGUSR1) == 0 && atomic_load(&hit) == 2);
	CHECK(syscall(SYS_tgkill, pid, tids[0], 0) == 0 && syscall(SYS_tgkill, pid, pid, 0) == 0);
}

/* A child sees its parent under the id that this remembers; one that is left alone gets the init's. */
static void check_children(void)
{
	int status, ends[2];
	pid_t seen = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(getppid() == pid ? 9 : 1);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
	CHECK(pipe(ends) == 0);
	child = fork();
	if (child == 0) {
		pid_t middle = getpid();
		if (fork() == 0) {
			while ((seen = getppid()) == middle)
				sched_yield();
			CHECK(write(ends[1], &seen, sizeof seen) == sizeof seen);
		}
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(read(ends[0], &seen, sizeof seen) == sizeof seen && seen != pid);
	CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

/* It writes when its parent is gone, and then its stream closes. */
static void leave_child(void)
{
	if (fork() == 0) {
		while (getppid() == pid)
			sched_yield();
		(void)!write(1, "left\n", 5);
	}
	_exit(3);
}

static void obey(void)
{
	char line[64];

	for (;;) {
		errno = 0;
		if (fgets(line, sizeof line, stdin)) {
			int number = line[1] ? atoi(line + 2) : 0;
			if (line[0] == 'e')
				exit(number);
			if (line[0] == 'd')
				leave_child();
			CHECK(line[0] == 'k' && raise(number) == 0);
			CHECK(write(1, "went on\n", 8) == 8);
		} else if (errno != EINTR) {
			exit(0);
		}
		clearerr(stdin);
	}
}

int main(int argc, char **argv)
{
	static const int told[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM};
	static int index[THREADS] = {0, 1, 2};
	pthread_t thread[THREADS];
	char path[64], exe[4096] = "";

	pid = getpid();
	parent = getppid();
	before = look();
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread[i], NULL, waiter, &index[i]) == 0);
	while (atomic_load(&started) < THREADS)
		sched_yield();
	snapshot_point();
	if (argc > 1 && strcmp(argv[1], "exe") == 0)
		pid = getpid();
	CHECK(getpid() == pid && syscall(SYS_gettid) == pid);
	check_identity();
	if (argc == 1) {
		CHECK(getppid() == parent && kill(parent, 0) == 0);
		check_signals();
		atomic_store(&go, 1);
		for (int i = 0; i < THREADS; i++)
			CHECK(pthread_join(thread[i], NULL) == 0);
		check_children();
	}
	for (unsigned i = 0; i < sizeof told / sizeof told[0]; i++) {
		struct sigaction action = {.sa_handler = on_signal};
		CHECK(sigaction(told[i], &action, NULL) == 0);
	}
	CHECK(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	printf("%s %s\n", exe, access(path, F_OK) == 0 ? "proc" : "-");
	fflush(stdout);
	obey();
}
