/*
 * What a traced program must not feel: each word is a part of its life that a
 * tracer can spoil, and ends with 0 when it went as without one.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s: errno %d\n", __FILE__, __LINE__, #condition, errno);     \
			_exit(99);                                                                           \
		}                                                                                            \
	} while (0)

static volatile sig_atomic_t seen;
static volatile siginfo_t information; /* raise is a leaf function: nothing here changes in it, gcc thinks */

static void remember(int number, siginfo_t *info, void *context)
{
	(void)context;
	information.si_code = info->si_code;
	information.si_value = info->si_value;
	information.si_pid = info->si_pid;
	seen = number;
}

static void catch (int number)
{
	struct sigaction action = {.sa_sigaction = remember, .sa_flags = SA_SIGINFO};

	CHECK(sigaction(number, &action, NULL) == 0);
}

static int wait_for(pid_t child)
{
	int status;

	while ((child = waitpid(child, &status, 0)) < 0 && errno == EINTR)
		;
	CHECK(child > 0);
	return status;
}

/* A queued value arrives with its signal; so do the sender and the address of a fault. */
static int test_siginfo(char **argv)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction action = {.sa_sigaction = remember, .sa_flags = SA_SIGINFO | SA_RESETHAND};

	(void)argv;
	catch (SIGUSR1);
	CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711}) == 0);
	CHECK(seen == SIGUSR1 && information.si_code == SI_QUEUE && information.si_value.sival_int == 4711 &&
	      information.si_pid == getpid());
	catch (SIGRTMIN + 3);
	for (int i = 0; i < 100; i++) {
		CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i}) == 0);
		CHECK(information.si_value.sival_int == i);
	}
	pid_t child = fork();
	if (child == 0) {
		action.sa_flags |= SA_NODEFER;
		sigaction(SIGSEGV, &action, NULL);
		*(volatile char *)page = 1; /* the handler returns; the second fault kills */
	}
	int status = wait_for(child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	return 0;
}

/* SIGTRAP, SIGSTOP and int3 are the program's own, not only the tracer's. */
static int test_traps(char **argv)
{
	(void)argv;
	catch (SIGTRAP);
	__asm__ volatile("int3");
	CHECK(seen == SIGTRAP && information.si_code == SI_KERNEL);
	seen = 0;
	CHECK(raise(SIGTRAP) == 0 && seen == SIGTRAP && information.si_code == SI_TKILL);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGTRAP, SIG_DFL);
		__asm__ volatile("int3");
		_exit(1);
	}
	int status = wait_for(child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP);
	return 0;
}

/* A child stops, its parent sees that, it goes on, and the parent sees that too. */
static int test_group_stop(char **argv)
{
	static const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

	(void)argv;
	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++) {
		int status, gate[2];
		char byte;

		CHECK(pipe(gate) == 0);
		pid_t child = fork();
		if (child == 0) {
			setpgid(0,
			        0); /* a group whose parent is in another isn't orphaned: it can be stopped */
			if (stops[i] != SIGSTOP)
				signal(stops[i], SIG_DFL);
			raise(stops[i]);
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) == 1 ? 17 : 18);
		}
		CHECK(waitpid(child, &status, WUNTRACED) == child);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == stops[i]);
		CHECK(kill(child, SIGCONT) == 0);
		CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
		CHECK(write(gate[1], "", 1) == 1 && close(gate[0]) == 0 && close(gate[1]) == 0);
		status = wait_for(child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 17);
	}
	return 0;
}

static void *execute(void *argument)
{
	char **argv = argument;

	execv("/proc/self/exe", argv);
	return NULL;
}

static void *sleep_on(void *argument)
{
	(void)argument;
	while (pause() == -1)
		;
	return NULL;
}

/* Another thread than the first calls exec while others sleep. The new program is `exit 23`. */
static int test_exec_thread(char **argv)
{
	char *words[] = {argv[0], (char[]){"exit"}, (char[]){"23"}, NULL};
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&thread, NULL, sleep_on, NULL) == 0);
	CHECK(pthread_create(&thread, NULL, execute, words) == 0);
	pthread_join(thread, NULL);
	return 98;
}

/* exec chain N: execs itself until N is 0, then ends with 24. */
static int test_chain(char **argv)
{
	char number[16];
	char *words[] = {argv[0], argv[1], number, NULL};
	int left = argv[2] ? atoi(argv[2]) : 20;

	if (left == 0)
		return 24;
	snprintf(number, sizeof(number), "%d", left - 1);
	execv("/proc/self/exe", words);
	return 98;
}

static int test_exit(char **argv)
{
	return atoi(argv[2]);
}

/* vfork, plain and with exec, sigsuspend while a child lives, a child of a child, and one cloned beside us.
 */
static int test_children(char **argv)
{
	sigset_t mask, before;
	int status;

	(void)argv;
	for (volatile int i = 0; i < 5; i++) {
		pid_t child = vfork();

		if (child == 0) {
			execl("/proc/self/exe", "target", "exit", "5", (char *)NULL);
			_exit(98);
		}
		status = wait_for(child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	}
	catch (SIGCHLD);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &before);
	pid_t child = fork();
	if (child == 0)
		_exit(fork() == 0 ? 0 : 6);
	sigsuspend(&before);
	CHECK(seen == SIGCHLD);
	status = wait_for(child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 6);
	child = fork();
	if (child == 0) {
		pid_t sibling = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

		_exit(sibling == 0 ? 8 : 9);
	}
	status = wait_for(-1);
	CHECK(WIFEXITED(status));
	return 0;
}

static int test_brk(char **argv)
{
	void *failed = (void *)-1;
	char *start = sbrk(0);

	(void)argv;
	CHECK(start == (char *)syscall(SYS_brk, 0));
	errno = 0;
	CHECK(sbrk(1) == failed && errno == ENOMEM);
	CHECK(sbrk(1 << 20) == failed && brk(start + 4096) == -1);
	CHECK((char *)syscall(SYS_brk, start + 8192) == start && sbrk(0) == start);
	char *block = malloc(100);
	CHECK(block && (block < start || block > start + (1L << 30)));
	memset(malloc(200 << 20), 1, 200 << 20);
	return 0;
}

static void *count(void *argument)
{
	(void)argument;
	return NULL;
}

static int test_threads(char **argv)
{
	pthread_t threads[20];

	(void)argv;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 20; i++)
			CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
		for (int i = 0; i < 20; i++)
			CHECK(pthread_join(threads[i], NULL) == 0);
	}
	return 0;
}

__attribute__((noinline)) static int here(int value)
{
	__asm__ volatile("" : "+r"(value));
	return value + 1;
}

/* Copies of the memory hold copies of a breakpoint on here(): four children reach it at the same time. */
static int test_copies(char **argv)
{
	int status;

	(void)argv;
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			_exit(here(i));
	while (wait(&status) > 0)
		;
	return 0;
}

/* load FILE: a library comes when the program runs already. */
static int test_load(char **argv)
{
	void *library = dlopen(argv[2], RTLD_NOW);
	int (*function)(int);

	CHECK(library);
	*(void **)&function = dlsym(library, "library_function");
	CHECK(function && function(1) == 2);
	return 0;
}

/* A constructor and main see the same environment, without a word of the shim. */
static int test_environment(char **argv)
{
	for (; *argv; argv++)
		puts(*argv);
	for (char **variable = environ; *variable; variable++)
		puts(*variable);
	CHECK(getauxval(AT_PAGESZ) == 4096);
	char **end = environ;
	while (*end)
		end++;
	for (Elf64_auxv_t *entry = (void *)(end + 1); entry->a_type != AT_PAGESZ; entry++)
		CHECK(entry->a_type != AT_NULL);
	return 0;
}

__attribute__((constructor)) static void early(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)argv;
	(void)envp;
	CHECK(!getenv("SNAP_SHIM") && !getenv("SNAP_AT"));
}

static const struct {
	const char *word;
	int (*run)(char **argv);
} tests[] = {
        {"siginfo", test_siginfo},         {"traps", test_traps}, {"group-stop", test_group_stop},
        {"exec-thread", test_exec_thread}, {"chain", test_chain}, {"exit", test_exit},
        {"children", test_children},       {"brk", test_brk},     {"threads", test_threads},
        {"copies", test_copies},           {"load", test_load},   {"environment", test_environment},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(tests) / sizeof(*tests); i++)
		if (strcmp(tests[i].word, argv[1]) == 0)
			return tests[i].run(argv);
	return 97;
}
