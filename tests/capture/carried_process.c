/* As carried.c, for what a process is beside its memory and descriptors: its clocks, session, place. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>

#include "expect.h"
#include "modes.h"

enum { WORKER, MAIN, PROCESS, CLOCKS, OWN = CLOCKS, SET_OWN, TIMERS };
static timer_t timer[TIMERS];
static clockid_t clock_of[CLOCKS];
static volatile sig_atomic_t rung[TIMERS];
static volatile bool is_ready, goes_on;

static void ring(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	rung[info->si_value.sival_int]++;
}

static bool make_timer(clockid_t clock, int index)
{
	struct sigevent event = {
	        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = index};
	return timer_create(clock, &event, &timer[index]) == 0;
}

/* Uses its processor until its timers have rung. Those of CLOCK_THREAD_CPUTIME_ID show nowhere whose they
 * are, and one is not set. */
static void *work(void *unused)
{
	const struct itimerspec late = {{0, 0}, {7200, 0}};
	EXPECT(pthread_getcpuclockid(pthread_self(), &clock_of[WORKER]) == 0);
	EXPECT(make_timer(CLOCK_THREAD_CPUTIME_ID, OWN) && make_timer(CLOCK_THREAD_CPUTIME_ID, SET_OWN) &&
	       timer_settime(timer[SET_OWN], 0, &late, NULL) == 0);
	is_ready = true;
	while (!goes_on || !rung[WORKER] || !rung[OWN] || !rung[SET_OWN])
		;
	return unused;
}

/* As haproxy's watchdog has one on each of its threads' clocks. */
static void cpu_timers(void)
{
	const struct sigaction action = {.sa_sigaction = ring, .sa_flags = SA_SIGINFO | SA_RESTART};
	const struct itimerspec soon = {{0, 0}, {0, 20000000}}, late = {{3600, 0}, {7200, 0}};
	struct itimerspec seen;
	struct timespec now;
	pthread_t worker;
	sigaction(SIGUSR1, &action, NULL);
	EXPECT(pthread_create(&worker, NULL, work, NULL) == 0);
	while (!is_ready)
		;
	EXPECT(pthread_getcpuclockid(pthread_self(), &clock_of[MAIN]) == 0 &&
	       clock_getcpuclockid(getpid(), &clock_of[PROCESS]) == 0);
	for (int i = 0; i < CLOCKS; i++)
		EXPECT(make_timer(clock_of[i], i));
	EXPECT(timer_settime(timer[PROCESS], 0, &late, NULL) == 0);
	marker();
	EXPECT(timer_gettime(timer[PROCESS], &seen) == 0 && seen.it_interval.tv_sec == 3600 &&
	       seen.it_value.tv_sec > 3600 && seen.it_value.tv_sec <= 7200);
	EXPECT(timer_gettime(timer[SET_OWN], &seen) == 0 && seen.it_value.tv_sec > 3600 &&
	       seen.it_value.tv_sec <= 7200 && timer_gettime(timer[OWN], &seen) == 0 &&
	       seen.it_value.tv_sec == 0);
	for (int i = 0; i < TIMERS; i++) {
		EXPECT(i >= CLOCKS || clock_gettime(clock_of[i], &now) == 0);
		EXPECT(timer_settime(timer[i], 0, &soon, NULL) == 0);
	}
	goes_on = true;
	while (!rung[MAIN] || !rung[PROCESS])
		;
	EXPECT(pthread_join(worker, NULL) == 0 && rung[WORKER] == 1 && rung[OWN] == 1);
}

/* No terminal, no way to leave it, and nobody else in it. */
static bool is_own_session(void)
{
	return getsid(0) == getpid() && getpgrp() == getpid() && open("/dev/tty", O_RDWR) < 0 && setsid() < 0;
}

static void session(void)
{
	EXPECT(setsid() == getpid());
	marker();
	EXPECT(is_own_session());
}

/* As script(1) would have it for itself; Ctrl-C comes from there. */
static void session_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), number = -1;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	EXPECT(setsid() == getpid() && unlockpt(master) == 0);
	int slave = open(ptsname(master), O_RDWR), tty = open("/dev/tty", O_RDWR);
	if (slave < 0 || tty < 0) {
		perror("a controlling terminal");
		_exit(77);
	}
	close(tty);
	marker();
	EXPECT(tcgetsid(slave) == getpid() && tcgetpgrp(slave) == getpid());
	EXPECT((tty = open("/dev/tty", O_RDWR)) >= 0 && write(tty, "x", 1) == 1);
	EXPECT(read(master, &number, 1) == 1 && write(master, "\003", 1) == 1);
	EXPECT(sigwait(&set, &number) == 0 && number == SIGINT);
}

/* Tells who it is, and ends by a signal. */
static void session_stays(void)
{
	EXPECT(setsid() == getpid());
	marker();
	printf("%d %d\n", (int)getpid(), is_own_session());
	fflush(stdout);
	for (;;)
		pause();
}

static void group(void)
{
	EXPECT(setpgid(0, 0) == 0);
	marker();
	EXPECT(getpgrp() == getpid() && getsid(0) != getpid() && kill(-getpid(), 0) == 0);
}

/* As a daemon does it: whoever comes back is the child of a process that has gone, after what that one did.
 * The first one ends as it does. */
static void leave(void (*first)(void))
{
	int status;
	EXPECT(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	pid_t leader = fork();
	if (leader == 0) {
		first();
		if (fork() != 0)
			_exit(0);
		while (kill(getpgrp(), 0) == 0) /* until it is waited for */
			sched_yield();
		return;
	}
	EXPECT(waitpid(leader, &status, 0) == leader && status == 0);
	EXPECT(wait(&status) > 0 && WIFEXITED(status));
	_exit(WEXITSTATUS(status));
}

static void begin_session(void)
{
	EXPECT(setsid() == getpid());
}

static void begin_group(void)
{
	EXPECT(setpgid(0, 0) == 0);
}

static bool is_gone(pid_t id)
{
	return id > 0 && id != getpid() && kill(id, 0) < 0 && errno == ESRCH && kill(-id, 0) == 0;
}

static void session_of_another(void)
{
	leave(begin_session);
	marker();
	EXPECT(is_gone(getsid(0)) && getpgrp() == getsid(0) && open("/dev/tty", O_RDWR) < 0);
	EXPECT(setsid() == getpid() && is_own_session());
}

static void group_of_another(void)
{
	leave(begin_group);
	marker();
	EXPECT(is_gone(getpgrp()) && getsid(0) != getpgrp());
}

static void group_in_session_of_another(void)
{
	leave(begin_session);
	EXPECT(setpgid(0, 0) == 0);
	marker();
	EXPECT(kill(getsid(0), 0) < 0 && getpgrp() == getpid() && getsid(0) != getpid());
}

/* Leaves no ID of the process in memory. */
static bool main_is_dead(void)
{
	char text[512] = "";
	int file = open("/proc/self/stat", O_RDONLY);
	ssize_t size = read(file, text, sizeof(text) - 1);
	bool is_dead = size > 0 && strrchr(text, ')')[2] == 'Z';
	close(file);
	explicit_bzero(text, sizeof(text));
	return is_dead;
}

static void *be_woken(void *word)
{
	while (!*(volatile int *)word)
		syscall(SYS_futex, word, 128 /* FUTEX_WAIT_PRIVATE */, 0, NULL, NULL, 0);
	return word;
}

/* The others go on, and what is sent to the process is theirs; the last of them gives the status. */
static void *outlive(void *argument)
{
	static int word;
	const struct sigaction action = {.sa_sigaction = ring, .sa_flags = SA_SIGINFO};
	const union sigval value = {.sival_int = PROCESS};
	pthread_t other;
	void *result = NULL;
	sigset_t set;
	while (!main_is_dead())
		sched_yield();
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* the other thread takes it, or this one when it may */
	EXPECT(pthread_create(&other, NULL, be_woken, &word) == 0 && sigqueue(getpid(), SIGUSR1, value) == 0);
	marker();
	while (!main_is_dead())
		sched_yield();
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	EXPECT(rung[PROCESS] == 1 && gettid() != getpid());
	word = 1;
	syscall(SYS_futex, &word, 129 /* FUTEX_WAKE_PRIVATE */, 1, NULL, NULL, 0);
	EXPECT(pthread_join(other, &result) == 0 && result == &word);
	EXPECT(pthread_join(*(pthread_t *)argument, &result) == 0 && result == argument);
	_exit(check_result());
}

static void main_ended(void)
{
	static pthread_t self;
	pthread_t other;
	self = pthread_self();
	EXPECT(pthread_create(&other, NULL, outlive, &self) == 0);
	pthread_exit(&self);
}

/* The directory is gone, and nothing can be made in it. */
static void removed_directory(void)
{
	char path[256];
	struct stat file;
	EXPECT(mkdir("here", 0700) == 0 && chdir("here") == 0 && rmdir("../here") == 0);
	marker();
	EXPECT(getcwd(path, sizeof(path)) == NULL && errno == ENOENT);
	EXPECT(mkdir("below", 0700) < 0 && errno == ENOENT);
	EXPECT(stat(".", &file) == 0 && S_ISDIR(file.st_mode) && file.st_nlink == 0);
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(removed_directory),
	        MODE(main_ended),
	        MODE(session_stays),
	        MODE(cpu_timers),
	        MODE(session),
	        MODE(session_terminal),
	        MODE(group),
	        MODE(session_of_another),
	        MODE(group_of_another),
	        MODE(group_in_session_of_another),
	};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
