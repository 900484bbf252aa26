/* Threads in every kind of wait, and one that spins, go on where they were: each finds its id, its
 * thread-local variable, signal mask, alternate stack, name and arguments as they were, and its call with the
 * right end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../check.h"

static atomic_int ready, go, handled;
static int word;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, robust, checking;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static _Thread_local int mine;

enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 }; /* linux/futex.h, which musl-gcc has not */
static long limit_ms = 300; /* or the argument, where none of the waits may end before the point */

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_code == SI_TKILL)
		atomic_fetch_add(&handled, 1);
}

static void wait_futex(void)
{
	while (!atomic_load(&go))
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void wait_futex_timeout(void)
{
	struct timespec limit = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1000000};
	static int never;

	CHECK(syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0) == -1 && errno == ETIMEDOUT);
}

static void __attribute__((unused)) wait_epoll(void)
{
	struct epoll_event event;
	int epoll = epoll_create1(0);

	CHECK(epoll_wait(epoll, &event, 1, (int)limit_ms) == 0);
	close(epoll);
}

static void wait_poll(void)
{
	CHECK(poll(NULL, 0, (int)limit_ms) == 0);
}

static void wait_ppoll(void)
{
	struct timespec limit = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1000000};

	CHECK(ppoll(NULL, 0, &limit, NULL) == 0);
}

static void wait_select(void)
{
	struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};

	CHECK(select(0, NULL, NULL, NULL, &limit) == 0);
}

static void wait_nanosleep(void)
{
	struct timespec time = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1000000};

	CHECK(nanosleep(&time, &time) == 0);
}

static void wait_clock(void)
{
	struct timespec time;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
	time.tv_sec += 1 + limit_ms / 1000;
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == 0);
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec >= time.tv_sec);
}

static void wait_signal(void)
{
	struct timespec limit = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1000000};
	sigset_t set;

	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR2) == 0);
	CHECK(sigtimedwait(&set, NULL, &limit) == -1 && errno == EAGAIN);
}

static void wait_condition(void)
{
	CHECK(pthread_mutex_lock(&mutex) == 0);
	while (!atomic_load(&go))
		CHECK(pthread_cond_wait(&condition, &mutex) == 0);
	CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void wait_pause(void)
{
	int before = atomic_load(&handled);

	while (atomic_load(&handled) == before)
		pause();
}

/* A descriptor that is read is the caller's stream, in this test without an end. */
static void wait_read(void)
{
	char byte;

	CHECK(read(STDIN_FILENO, &byte, 1) == 1 && byte == 'x');
}

static void spin(void)
{
	struct timespec time;

	while (!atomic_load(&go))
		CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
}

static void hold_robust(void)
{
	CHECK(pthread_mutex_lock(&robust) == 0);
	wait_futex();
	CHECK(pthread_mutex_unlock(&robust) == 0);
}

static const struct kind {
	const char *name;
	void (*wait)(void);
} kinds[] = {
        {"futex", wait_futex},         {"futex-limit", wait_futex_timeout},
        {"poll", wait_poll},           {"ppoll", wait_ppoll},
        {"select", wait_select},       {"nanosleep", wait_nanosleep},
        {"clock", wait_clock},         {"sigtimedwait", wait_signal},
        {"condition", wait_condition}, {"spin", spin},
        {"robust", hold_robust},       {"pause", wait_pause},
        {"read", wait_read},
};
enum { KINDS = sizeof(kinds) / sizeof(*kinds), PAUSES = 11 };

static struct worker {
	pthread_t thread;
	atomic_int tid;
	char stack[32768];
} workers[KINDS];

static void check_self(const struct worker *worker, const stack_t *stack, const sigset_t *mask)
{
	sigset_t now;
	stack_t own;
	char name[16];

	CHECK(mine == (int)(worker - workers) + 1000);
	CHECK(sigaltstack(NULL, &own) == 0 && own.ss_sp == stack->ss_sp && own.ss_size == stack->ss_size);
	CHECK(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0 && memcmp(&now, mask, 8) == 0);
	CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, kinds[worker - workers].name) == 0);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	stack_t stack = {.ss_sp = worker->stack, .ss_size = sizeof(worker->stack)};
	sigset_t mask;

	mine = (int)(worker - workers) + 1000;
	CHECK(prctl(PR_SET_NAME, kinds[worker - workers].name) == 0);
	CHECK(sigaltstack(&stack, NULL) == 0);
	CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
	CHECK(sigaddset(&mask, SIGRTMIN + 2 + (int)(worker - workers) % 8) == 0 &&
	      sigaddset(&mask, SIGUSR2) == 0);
	CHECK(pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0);
	atomic_store(&worker->tid, (int)syscall(SYS_gettid));
	atomic_fetch_add(&ready, 1);
	kinds[worker - workers].wait();
	check_self(worker, &stack, &mask);
	atomic_store(&worker->tid, (int)syscall(SYS_gettid));
	return worker;
}

/* Until each is in its wait: the kernel says so. */
static void await_state(pid_t tid, bool running)
{
	char path[64], line[256];
	const char *state;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	for (;;) {
		FILE *file = fopen(path, "r");

		CHECK(file && fgets(line, sizeof(line), file));
		fclose(file);
		state = strrchr(line, ')');
		if (state && (running ? state[2] == 'R' : state[2] == 'S'))
			return;
		sched_yield();
	}
}

static void make_mutexes(void)
{
	pthread_mutexattr_t attributes;

	CHECK(pthread_mutexattr_init(&attributes) == 0);
	CHECK(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK) == 0);
	CHECK(pthread_mutex_init(&checking, &attributes) == 0);
	CHECK(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
	CHECK(pthread_mutex_init(&robust, &attributes) == 0);
}

/* They are blocked in all threads. */
static void send_pending(const sigset_t *set)
{
	union sigval value;

	CHECK(sigismember(set, SIGUSR2) == 1);

	for (value.sival_int = 1; value.sival_int <= 3; value.sival_int++)
		CHECK(sigqueue(getpid(), SIGRTMIN + 1, value) == 0);
	CHECK(pthread_kill(pthread_self(), SIGUSR2) == 0);
}

static void check_pending(const sigset_t *set, pid_t sender)
{
	siginfo_t info;

	for (int i = 1; i <= 3; i++) {
		sigset_t one;
		CHECK(sigemptyset(&one) == 0 && sigaddset(&one, SIGRTMIN + 1) == 0);
		CHECK(sigwaitinfo(&one, &info) == SIGRTMIN + 1 && info.si_code == SI_QUEUE);
		CHECK(info.si_value.sival_int == i && info.si_pid == sender);
	}
	CHECK(sigwaitinfo(set, &info) == SIGUSR2); /* whose SI_TKILL glibc shows as SI_USER */
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	sigset_t set;
	pid_t before = getpid();

	if (argc > 1)
		limit_ms = strtol(argv[1], NULL, 10);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGRTMIN + 1) == 0 && sigaddset(&set, SIGUSR2) == 0);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	make_mutexes();
	for (size_t i = 0; i < KINDS; i++)
		CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
	for (size_t i = 0; i < KINDS; i++) {
		while (!atomic_load(&workers[i].tid))
			sched_yield();
		await_state(atomic_load(&workers[i].tid), kinds[i].wait == spin);
	}
	send_pending(&set);
	snapshot_point();
	check_pending(&set, before);
	CHECK(pthread_mutex_trylock(&robust) == EBUSY);
	CHECK(pthread_mutex_lock(&checking) == 0 && pthread_mutex_lock(&checking) == EDEADLK);
	CHECK(pthread_mutex_unlock(&checking) == 0);
	atomic_store(&go, 1);
	CHECK(pthread_kill(workers[PAUSES].thread, SIGUSR1) == 0);
	CHECK(pthread_mutex_lock(&mutex) == 0 && pthread_cond_broadcast(&condition) == 0);
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	word = 1;
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0);
	for (size_t i = 0; i < KINDS; i++) {
		void *result;

		CHECK(pthread_join(workers[i].thread, &result) == 0 && result == &workers[i]);
		CHECK(atomic_load(&workers[i].tid) != getpid());
	}
	CHECK(pthread_mutex_lock(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);
	CHECK(atomic_load(&handled) == 1);
	puts("all threads went on");
	return 0;
}
