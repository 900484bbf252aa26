/* As carried.c, for memory of the rarer kinds, what a process has beside its memory, and timers. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "modes.h"

enum { PAGE = 4096, GUARD_INSTALL = 102 /* MADV_GUARD_INSTALL, Linux 6.13 */ };

static void marker(void)
{
	access("/snap/here", F_OK);
}

static void skip(const char *what)
{
	perror(what);
	_exit(77);
}

static char *map(size_t size, int protection, int flags)
{
	char *memory = mmap(NULL, size, protection, flags | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		skip("mmap");
	return memory;
}

/* The line of smaps that begins with the key, for the mapping at the address. */
static void smaps(const void *memory, const char *key, char *line, int size)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char start[32];
	bool inside = false;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)memory);
	while (fgets(line, size, file)) {
		inside |= strncmp(line, start, strlen(start)) == 0;
		if (inside && strncmp(line, key, strlen(key)) == 0)
			break;
	}
	fclose(file);
}

static bool has_flag(const void *memory, const char *flag)
{
	char line[512] = "";
	smaps(memory, "VmFlags:", line, sizeof(line));
	return strstr(line, flag) != NULL;
}

static bool faults(volatile char *at)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		at[0]++;
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/* A child's change is seen: the memory is shared still, and its content came along, also what only a child of
 * before had touched. */
static void shared_anonymous(void)
{
	char *memory = map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	strcpy(memory, "content");
	if (fork() == 0) {
		strcpy(memory + 9 * PAGE, "a child's");
		_exit(0);
	}
	wait(NULL);
	marker();
	EXPECT(strcmp(memory, "content") == 0 && strcmp(memory + 9 * PAGE, "a child's") == 0);
	EXPECT(memory[PAGE] == 0);
	if (fork() == 0) {
		memory[5] = '!';
		_exit(0);
	}
	wait(NULL);
	EXPECT(memory[5] == '!');
}

static void shared_read_only(void)
{
	char *memory = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	memory[PAGE] = 7;
	EXPECT(mprotect(memory, 2 * PAGE, PROT_READ) == 0);
	marker();
	EXPECT(memory[PAGE] == 7 && faults(memory));
}

static void memfd_closed(void)
{
	int fd = memfd_create("thing", MFD_CLOEXEC);
	char *memory = ftruncate(fd, 4 * PAGE) == 0
	                       ? mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
	                       : MAP_FAILED;
	if (memory == MAP_FAILED || pwrite(fd, "deep", 4, 3 * PAGE) != 4)
		skip("memfd");
	close(fd);
	marker();
	EXPECT(memcmp(memory + 3 * PAGE, "deep", 4) == 0 && memory[0] == 0);
	if (fork() == 0) {
		memory[0] = 1;
		_exit(0);
	}
	wait(NULL);
	EXPECT(memory[0] == 1);
}

static void shared_deleted(void)
{
	int fd = open("gone", O_RDWR | O_CREAT, 0600);
	char *memory = ftruncate(fd, PAGE) == 0 ? mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
	                                        : MAP_FAILED;
	if (memory == MAP_FAILED)
		skip("mmap");
	close(fd);
	unlink("gone");
	memory[100] = 5;
	marker();
	EXPECT(memory[100] == 5 && memory[101] == 0);
}

static void posix_shm(void)
{
	char name[64];
	struct stat here; /* the test's own directory names it */
	EXPECT(stat(".", &here) == 0);
	snprintf(name, sizeof(name), "/dev/shm/snaptest-%lu", (unsigned long)here.st_ino);
	int fd = open(name, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, PAGE) < 0)
		skip(name);
	char *one = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *two = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	one[0] = 1;
	marker();
	one[1] = 2;
	EXPECT(one[0] == 1 && two[1] == 2);
}

static void guards(void)
{
	char *memory = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *alone = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	memset(memory, 3, 8 * PAGE);
	if (madvise(memory + 2 * PAGE, PAGE, GUARD_INSTALL) < 0)
		skip("MADV_GUARD_INSTALL");
	EXPECT(madvise(alone, 4 * PAGE, GUARD_INSTALL) == 0);
	marker();
	EXPECT(memory[2 * PAGE - 1] == 3 && memory[3 * PAGE] == 3);
	EXPECT(faults(memory + 2 * PAGE) && faults(alone) && faults(alone + 3 * PAGE));
	EXPECT(!faults(memory + PAGE));
}

/* Grows down on demand, as it did. */
static void grows_down(void)
{
	enum { ROOM = 512 * PAGE };
	char *room = map(ROOM, PROT_NONE, MAP_PRIVATE);
	munmap(room, ROOM);
	char *stack = mmap(room + ROOM - PAGE, PAGE, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
	if (stack == MAP_FAILED)
		skip("MAP_GROWSDOWN");
	stack[0] = 9;
	marker();
	EXPECT(stack[0] == 9);
	stack[-PAGE] = 8;
	EXPECT(stack[-PAGE] == 8);
}

static void locked(void)
{
	char *now = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *later = map(PAGE, PROT_READ, MAP_PRIVATE);
	if (mlock(now, PAGE) < 0 || mlock2(later, PAGE, MLOCK_ONFAULT) < 0)
		skip("mlock");
	bool told = has_flag(later, " ??"); /* what a kernel shows of it */
	marker();
	EXPECT(has_flag(now, " lo") && has_flag(later, " lo") && has_flag(later, " ??") == told);
	EXPECT(!has_flag(now, " ??"));
}

static void lock_future(int flags)
{
	if (mlockall(flags) < 0)
		skip("mlockall");
	marker();
	char *memory = map(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char line[128] = "";
	smaps(memory, "Rss:", line, sizeof(line));
	EXPECT(has_flag(memory, " lo"));
	EXPECT((strtol(line + 4, NULL, 10) != 0) == !(flags & MCL_ONFAULT));
}

static void locked_future(void)
{
	lock_future(MCL_FUTURE);
}

static void locked_future_on_fault(void)
{
	lock_future(MCL_FUTURE | MCL_ONFAULT);
}

static void advised(void)
{
	static const struct {
		int advice;
		const char *flag;
	} kinds[] = {{MADV_RANDOM, " rr"},   {MADV_SEQUENTIAL, " sr"}, {MADV_DONTFORK, " dc"},
	             {MADV_HUGEPAGE, " hg"}, {MADV_NOHUGEPAGE, " nh"}, {MADV_DONTDUMP, " dd"},
	             {MADV_MERGEABLE, " mg"}};
	enum { COUNT = sizeof(kinds) / sizeof(*kinds) };
	char *memory[COUNT];
	bool had[COUNT];
	for (size_t i = 0; i < COUNT; i++) {
		memory[i] = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
		mprotect(memory[i], PAGE, PROT_NONE); /* so that they stay apart */
		memory[i] += PAGE;
		had[i] = madvise(memory[i], PAGE, kinds[i].advice) == 0;
	}
	marker();
	for (size_t i = 0; i < COUNT; i++)
		EXPECT(has_flag(memory[i], kinds[i].flag) == had[i]);
}

/* As many as the kernel allows are rebuilt one by one, without a step that looks at all for each. */
static void many_mappings(void)
{
	enum { COUNT = 50000 };
	char *memory = map((size_t)COUNT * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	for (size_t i = 0; i < COUNT; i += 2) {
		memory[i * PAGE] = (char)(i % 127 + 1);
		if (mprotect(memory + i * PAGE, PAGE, PROT_READ) < 0)
			skip("mprotect");
	}
	marker();
	for (size_t i = 0; i < COUNT; i++)
		if (memory[i * PAGE] != (i % 2 ? 0 : (char)(i % 127 + 1)))
			failures++;
	EXPECT(failures == 0);
}

static bool limit_is(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
	struct rlimit limit;
	return getrlimit(resource, &limit) == 0 && limit.rlim_cur == soft && limit.rlim_max == hard;
}

static void limits(void)
{
	EXPECT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){77, 88}) == 0);
	EXPECT(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == 0);
	marker();
	EXPECT(limit_is(RLIMIT_NOFILE, 77, 88) && limit_is(RLIMIT_CORE, 0, 0));
}

static void scheduling(void)
{
	cpu_set_t set, seen;
	struct sched_param none = {0};
	int nice = getpriority(PRIO_PROCESS, 0) < 7 ? 7 : 19; /* nice(1) may have begun it all */
	EXPECT(setpriority(PRIO_PROCESS, 0, nice) == 0 && sched_setscheduler(0, SCHED_BATCH, &none) == 0);
	EXPECT(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6) == 0);
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(seen), &seen);
	for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&set) == 0; i++)
		if (CPU_ISSET(i, &seen))
			CPU_SET(i, &set);
	EXPECT(sched_setaffinity(0, sizeof(set), &set) == 0);
	marker();
	EXPECT(getpriority(PRIO_PROCESS, 0) == nice && sched_getscheduler(0) == SCHED_BATCH);
	EXPECT(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6));
	EXPECT(sched_getaffinity(0, sizeof(seen), &seen) == 0 && CPU_EQUAL(&set, &seen));
}

static long number_in(const char *path, int base)
{
	char text[64] = "";
	FILE *file = fopen(path, "re");
	if (!file || !fgets(text, sizeof(text), file))
		skip(path);
	fclose(file);
	return strtol(text, NULL, base);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		skip(path);
	close(fd);
}

static void process_files(void)
{
	put("/proc/self/oom_score_adj", "777");
	put("/proc/self/coredump_filter", "0x55");
	EXPECT(personality(ADDR_NO_RANDOMIZE) >= 0 && prctl(PR_SET_KEEPCAPS, 1) == 0);
	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	marker();
	EXPECT(number_in("/proc/self/oom_score_adj", 10) == 777);
	EXPECT(number_in("/proc/self/coredump_filter", 16) == 0x55);
	EXPECT(personality(0xffffffff) == ADDR_NO_RANDOMIZE && prctl(PR_GET_KEEPCAPS) == 1);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static volatile sig_atomic_t rung;

static void ring(int signal)
{
	(void)signal;
	rung++;
}

static void interval_timers(void)
{
	struct itimerval real = {{20, 0}, {10000, 0}}, other = {{0, 0}, {5000, 0}}, seen;
	EXPECT(setitimer(ITIMER_REAL, &real, NULL) == 0 && setitimer(ITIMER_PROF, &other, NULL) == 0);
	marker();
	EXPECT(getitimer(ITIMER_REAL, &seen) == 0 && seen.it_interval.tv_sec == 20 &&
	       seen.it_value.tv_sec > 5000 && seen.it_value.tv_sec <= 10000);
	EXPECT(getitimer(ITIMER_PROF, &seen) == 0 && seen.it_value.tv_sec > 4000 &&
	       seen.it_value.tv_sec <= 5000 && seen.it_interval.tv_sec == 0);
	EXPECT(getitimer(ITIMER_VIRTUAL, &seen) == 0 && seen.it_value.tv_sec == 0);
}

/* It comes to the handler that is set after the start as it was before. */
static void alarm_rings(void)
{
	sigset_t blocked, before;
	signal(SIGALRM, ring);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	ualarm(200000, 0);
	marker();
	while (!rung)
		sigsuspend(&before);
	EXPECT(rung == 1);
}

static void posix_timers(void)
{
	timer_t first = NULL, gone = NULL, second = NULL, third = NULL;
	struct sigevent quiet = {.sigev_notify = SIGEV_NONE}, loud = {.sigev_notify = SIGEV_SIGNAL};
	struct sigevent thread = {.sigev_notify = SIGEV_THREAD_ID};
	struct itimerspec value = {{30, 5}, {10000, 0}}, soon = {{0, 0}, {0, 100000000}}, seen;
	siginfo_t info;
	sigset_t set;
	loud.sigev_signo = SIGRTMIN + 1;
	loud.sigev_value.sival_ptr = &first;
	thread.sigev_signo = SIGUSR1;
	thread._sigev_un._tid = getpid();
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	EXPECT(timer_create(CLOCK_MONOTONIC, &quiet, &first) == 0 &&
	       timer_create(CLOCK_MONOTONIC, &quiet, &gone) == 0 &&
	       timer_create(CLOCK_REALTIME, &loud, &second) == 0 &&
	       timer_create(CLOCK_PROCESS_CPUTIME_ID, &thread, &third) == 0 && timer_delete(gone) == 0);
	EXPECT(timer_settime(first, 0, &value, NULL) == 0);
	marker();
	EXPECT(timer_gettime(first, &seen) == 0 && seen.it_interval.tv_sec == 30 &&
	       seen.it_interval.tv_nsec == 5 && seen.it_value.tv_sec > 5000 && seen.it_value.tv_sec <= 10000);
	EXPECT(timer_gettime(third, &seen) == 0);
#if __GLIBC_PREREQ(2, 36)
	EXPECT(timer_gettime(gone, &seen) == -1); /* an ID, no memory that was freed */
#endif
	EXPECT(timer_settime(second, 0, &soon, NULL) == 0);
	EXPECT(sigwaitinfo(&set, &info) == SIGRTMIN + 1 && info.si_value.sival_ptr == &first &&
	       info.si_code == SI_TIMER);
	/* A new one has an id of its own. */
	EXPECT(timer_create(CLOCK_MONOTONIC, &quiet, &gone) == 0 && gone != first && gone != second &&
	       gone != third);
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(shared_anonymous), MODE(shared_read_only),
	        MODE(memfd_closed),     MODE(shared_deleted),
	        MODE(posix_shm),        MODE(guards),
	        MODE(grows_down),       MODE(locked),
	        MODE(locked_future),    MODE(locked_future_on_fault),
	        MODE(advised),          MODE(many_mappings),
	        MODE(limits),           MODE(scheduling),
	        MODE(process_files),    MODE(interval_timers),
	        MODE(alarm_rings),      MODE(posix_timers),
	};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
