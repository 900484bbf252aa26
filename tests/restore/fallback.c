/*
 * fallback MODE: changes nearly all that a process can change of itself, gets
 * into a state whose start can be refused, which MODE names, and meets the
 * point. With REPORT in the environment it says instead what its caller gave
 * it, and ends: that is what a start with --fallback must not have changed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include <netinet/in.h>

#include "../check.h"

static void report_file(const char *path, const char *const *lines)
{
	char line[512];
	FILE *file = fopen(path, "re");

	for (; file != NULL && fgets(line, sizeof line, file) != NULL;)
		for (const char *const *wanted = lines; *wanted != NULL; wanted++)
			if (strncmp(line, *wanted, strlen(*wanted)) == 0)
				printf("%s", line);
	if (file != NULL)
		fclose(file);
}

static void report_descriptors(void)
{
	for (int number = 0; number < 1024; number++) {
		char path[64], link[256];
		int flags = fcntl(number, F_GETFD);
		ssize_t size;

		if (flags < 0)
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", number);
		size = readlink(path, link, sizeof link - 1);
		link[size < 0 ? 0 : size] = '\0';
		printf("descriptor %d: %s, %d, %o, owner %d, at %ld\n", number,
		       strchr(link, '/') != NULL ? link : "", flags, fcntl(number, F_GETFL),
		       fcntl(number, F_GETOWN), (long)lseek(number, 0, SEEK_CUR));
	}
}

static int report(void)
{
	static const char *const status[] = {
	        "Umask:",      "SigPnd:",  "ShdPnd:",  "SigBlk:",       "SigIgn:",      "SigCgt:", "Cap",
	        "NoNewPrivs:", "Seccomp:", "Threads:", "Cpus_allowed:", "THP_enabled:", NULL};
	static const char *const all[] = {"", NULL};
	char directory[4096];
	struct itimerval timer[3];

	report_descriptors();
	printf("directory %s\n", getcwd(directory, sizeof directory));
	report_file("/proc/self/status", status);
	report_file("/proc/self/limits", all);
	report_file("/proc/self/oom_score_adj", all);
	report_file("/proc/self/coredump_filter", all);
	report_file("/proc/self/timers", all);
	for (int i = 0; i < 3; i++) {
		CHECK(getitimer((__itimer_which_t)i, &timer[i]) == 0);
		printf("timer %d: %d every %ld\n", i, timer[i].it_value.tv_sec > 0,
		       (long)timer[i].it_interval.tv_sec);
	}
	printf("nice %d, policy %d, personality %x\n", getpriority(PRIO_PROCESS, 0), sched_getscheduler(0),
	       (unsigned)personality(0xffffffff));
	printf("slack %d, death %d, keep %d, secure %d, dumpable %d, group %d, session %d\n",
	       prctl(PR_GET_TIMERSLACK), 0, prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS),
	       prctl(PR_GET_DUMPABLE), getpgrp() == getpid(), getsid(0) == getpid());
	return 0;
}

static void on_signal(int number)
{
	(void)number;
}

/* The mask of the threads has them all: they wait for nothing that comes. */
static void change_all(void)
{
	const struct itimerval timer = {.it_interval.tv_sec = 5, .it_value.tv_sec = 5000};
	struct rlimit files, core = {0, 0};
	struct sched_param none = {0};
	sigset_t set;
	int ends[2];

	CHECK(mkdir("place", 0777) == 0 && chdir("place") == 0);
	umask(077);
	CHECK(signal(SIGTERM, on_signal) != SIG_ERR && signal(SIGUSR2, SIG_IGN) != SIG_ERR);
	sigfillset(&set);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0 && setitimer(ITIMER_PROF, &timer, NULL) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0 && setrlimit(RLIMIT_CORE, &core) == 0);
	files.rlim_cur = files.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
	/* nice(1) may have begun it all */
	CHECK(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) < 7 ? 7 : 19) == 0 &&
	      prctl(PR_SET_TIMERSLACK, 777777) == 0);
	CHECK(sched_setscheduler(0, SCHED_BATCH, &none) == 0);
	CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	personality(ADDR_NO_RANDOMIZE | (unsigned)personality(0xffffffff));
	CHECK(pipe(ends) == 0 && write(ends[1], "some bytes", 10) == 10);
	CHECK(dup2(ends[0], 0) == 0 && dup2(ends[0], 20) == 20 && eventfd(3, 0) >= 0);
	CHECK(open("log", O_CREAT | O_RDWR | O_APPEND, 0600) >= 0);
}

/* A socket with a name of a path, which the kernel makes relative to the working directory. */
static int listen_at(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int made = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(name.sun_path, path);
	CHECK(bind(made, (struct sockaddr *)&name, sizeof name) == 0 && listen(made, 1) == 0);
	return made;
}

static void enter_nothing(void)
{
}

static void enter_address(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof name;
	int made = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(bind(made, (struct sockaddr *)&name, sizeof name) == 0 && listen(made, 1) == 0);
	CHECK(getsockname(made, (struct sockaddr *)&name, &size) == 0);
	printf("%d\n", ntohs(name.sin_port));
	fflush(stdout);
}

static void enter_name(void)
{
	listen_at("taken");
}

static void lock(int kind)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int made = open("locked", O_CREAT | O_RDWR, 0600);

	CHECK(made >= 0 && (kind == 0 ? flock(made, LOCK_EX) : fcntl(made, kind, &whole)) == 0);
}

static void enter_flock(void)
{
	lock(0);
}

static void enter_posix_lock(void)
{
	lock(F_SETLK);
}

static void enter_description_lock(void)
{
	lock(F_OFD_SETLK);
}

static void enter_file(void)
{
	CHECK(open("../file", O_RDONLY) >= 0);
}

static void enter_mapped(void)
{
	int made = open("../file", O_RDONLY);

	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, made, 0) != MAP_FAILED && close(made) == 0);
}

static void enter_watch(void)
{
	CHECK(inotify_add_watch(inotify_init(), "../file", IN_MODIFY) == 1);
}

static void enter_number(void)
{
	CHECK(dup2(1, 900) == 900);
}

static void enter_locked_memory(void)
{
	void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED && mlock(memory, 1 << 20) == 0);
}

static void enter_large(void)
{
	CHECK(mmap(NULL, (size_t)3 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) !=
	      MAP_FAILED);
}

static void enter_signals(void)
{
	for (int i = 0; i < 20; i++)
		CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i}) == 0);
}

static void enter_timers(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
	timer_t timer;

	for (int i = 0; i < 20; i++)
		CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void enter_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 5; i++)
		CHECK(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
	enter_timers(); /* which are made when the threads are there */
}

/* Enough for the loader to decode with more than one thread. */
static void enter_pages(void)
{
	enum { SIZE = 8 << 20 };
	unsigned char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned state = 1;

	CHECK(memory != MAP_FAILED);
	for (int i = 0; i < SIZE; i++)
		memory[i] = (unsigned char)((state = state * 1103515245 + 12345) >> 24);
}

static const struct {
	const char *name;
	void (*enter)(void);
} modes[] = {
        {"nothing", enter_nothing},
        {"address", enter_address},
        {"name", enter_name},
        {"flock", enter_flock},
        {"posix-lock", enter_posix_lock},
        {"description-lock", enter_description_lock},
        {"file", enter_file},
        {"mapped", enter_mapped},
        {"watch", enter_watch},
        {"number", enter_number},
        {"locked-memory", enter_locked_memory},
        {"large", enter_large},
        {"signals", enter_signals},
        {"timers", enter_timers},
        {"threads", enter_threads},
        {"pages", enter_pages},
};

int main(int argc, char **argv)
{
	if (getenv("REPORT") != NULL)
		return report();
	change_all();
	listen_at("own");
	for (unsigned i = 0; argc == 2 && i < sizeof modes / sizeof modes[0]; i++)
		if (strcmp(modes[i].name, argv[1]) == 0)
			modes[i].enter();
	snapshot_point();
	puts("went on");
	return 0;
}
