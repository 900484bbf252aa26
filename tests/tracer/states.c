/* States that a tracer meets, by word. Each ends with status 7 when all went as it should. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../format/facts/kernel.h" /* landlock, for the headers of Linux 5.10 */

enum { DONE = 7, THREADS = 4, SIZE = 4 << 20 };

static void say_pid(void)
{
	printf("%d\n", getpid());
	fflush(stdout);
}

static void *sleeps(void *unused)
{
	for (;;)
		usleep(100);
	return unused;
}

static void begin_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, sleeps, NULL);
}

/* Threads that sleep and wake; the first waits for input in short waits, and computes meanwhile. */
static int waits(char **argv)
{
	struct pollfd input = {.fd = 0, .events = POLLIN};
	double sum = 0;

	(void)argv;
	begin_threads();
	say_pid();
	for (int i = 0; poll(&input, 1, 1) == 0; i++)
		sum += i * 0.5;
	return sum >= 0 ? DONE : 1;
}

/* With much memory, at the marker. */
static int large(char **argv)
{
	char *memory = malloc(SIZE);

	(void)argv;
	for (unsigned i = 0; i < SIZE; i++)
		memory[i] = (char)(i * 2654435761u >> 13);
	begin_threads();
	access("/snap/here", F_OK);
	return DONE;
}

static void *forks(void *unused)
{
	if (fork() == 0) {
		pause();
		_exit(0);
	}
	sleeps(NULL);
	return unused;
}

/* A child of another thread, at the marker. */
static int child_of_thread(char **argv)
{
	pthread_t thread;
	siginfo_t info;

	(void)argv;
	pthread_create(&thread, NULL, forks, NULL);
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0) /* ECHILD, until it is there */
		usleep(1000);
	access("/snap/here", F_OK);
	return DONE;
}

static void *waits_in_vfork(void *unused)
{
	static char ready[] = "vfork\n";

	if (vfork() == 0) {
		write(1, ready, strlen(ready));
		while (read(3, ready, 1) < 0)
			continue;
		_exit(0);
	}
	return unused;
}

/* A thread that waits in vfork for a child, which waits for descriptor 3; the first waits for input. */
static int in_vfork(char **argv)
{
	pthread_t thread;
	char byte;

	(void)argv;
	say_pid();
	pthread_create(&thread, NULL, waits_in_vfork, NULL);
	if (read(0, &byte, 1) < 0)
		return 1;
	return DONE;
}

/* In a sandbox in which nothing may be executed. */
static void confine(void)
{
	uint64_t handled = 1; /* LANDLOCK_ACCESS_FS_EXECUTE */
	long ruleset = syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ruleset < 0 ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
		printf("no landlock here\n");
		fflush(stdout);
		_exit(77);
	}
	close((int)ruleset);
}

static void *sleeps_confined(void *unused)
{
	confine();
	*(volatile int *)unused = 1;
	return sleeps(NULL);
}

/* confined WHO: itself, its second thread, or nobody. */
static int confined(char **argv)
{
	volatile int is_confined = strcmp(argv[2], "thread") != 0;
	pthread_t thread;
	char byte;

	begin_threads();
	if (strcmp(argv[2], "itself") == 0)
		confine();
	else if (!is_confined)
		pthread_create(&thread, NULL, sleeps_confined, (void *)&is_confined);
	while (!is_confined)
		usleep(1000);
	say_pid();
	return read(0, &byte, 1) == 1 ? DONE : 1;
}

/* A timer whose signal was taken late, at the marker; and then once more. */
static int overrun(char **argv)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec often = {{0, 1000000}, {0, 1000000}};
	sigset_t set;
	timer_t timer;
	int number;

	(void)argv;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &often, NULL) != 0)
		return 1;
	do {
		usleep(5000);
		sigwait(&set, &number);
	} while (timer_getoverrun(timer) <= 0);
	access("/snap/here", F_OK);
	do {
		usleep(5000);
		sigwait(&set, &number);
	} while (timer_getoverrun(timer) <= 0);
	return DONE;
}

/* call NUMBER INDEX PATH: a system call one of whose arguments is PATH. */
static int call(char **argv)
{
	long argument[6] = {-1, -1, -1, -1, -1, -1};

	argument[atoi(argv[3])] = (long)argv[4];
	syscall(atol(argv[2]), argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
	return DONE;
}

/* In the training run, which is the one that has arguments, makes a file and never ends. */
static int trained(char **argv)
{
	access("/snap/here", F_OK);
	(void)argv;
	close(open("trained", O_CREAT | O_WRONLY, 0666));
	while (pause() == -1)
		continue;
	return DONE;
}

static volatile sig_atomic_t trapped;

static void trap(int number)
{
	(void)number;
	trapped++;
}

/* traps ignored|caught|pending: what it has made of SIGTRAP is as it was after the marker. */
static int traps(char **argv)
{
	bool ignores = strcmp(argv[2], "ignored") == 0, waits_for_it = strcmp(argv[2], "pending") == 0;
	struct sigaction action = {.sa_handler = ignores ? SIG_IGN : trap}, is;
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigaction(SIGTRAP, &action, NULL);
	if (waits_for_it && (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || raise(SIGTRAP) != 0))
		return 1;
	access("/snap/here", F_OK);
	if (sigaction(SIGTRAP, NULL, &is) != 0 || is.sa_handler != action.sa_handler)
		return 2;
	if (trapped != 0 || sigpending(&pending) != 0 || sigismember(&pending, SIGTRAP) != waits_for_it)
		return 3;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return trapped == waits_for_it ? DONE : 4;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*run)(char **argv);
	} states[] = {
	        {"waits", waits},       {"large", large},     {"child-of-thread", child_of_thread},
	        {"in-vfork", in_vfork}, {"call", call},       {"confined", confined},
	        {"overrun", overrun},   {"trained", trained}, {"traps", traps},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(states) / sizeof(*states); i++)
		if (strcmp(states[i].word, argv[1]) == 0)
			return states[i].run(argv);
	return 97;
}
