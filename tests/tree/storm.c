/*
 * storm COUNT: makes COUNT processes by fork, vfork and exec, eight at a time, while signals fly between all
 * of them, and checks how each one ended. What a tracer could do wrong shows as a wrong status, a lost
 * process or a hang.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 8, LEAF_MAX = 7 };

static unsigned state = 1;
static volatile sig_atomic_t seen;

static unsigned draw(unsigned below)
{
	state = state * 1103515245 + 12345;
	return state / 65536 % below;
}

static void count(int number)
{
	(void)number;
	seen++;
}

static void fail(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	_exit(99);
}

/* A leaf: a signal to its parent, perhaps one to itself, and an end that says its number. */
static void leaf(int number)
{
	kill(getppid(), draw(2) ? SIGUSR1 : SIGWINCH);
	if (number % 3 == 0)
		raise(SIGCONT);
	if (number == LEAF_MAX)
		kill(getpid(), SIGTERM);
	_exit(number);
}

static pid_t begin(const char *self, int how, int number)
{
	char word[16];
	char *argv[] = {(char[]){"storm"}, (char[]){"leaf"}, word, NULL};
	pid_t pid;

	snprintf(word, sizeof(word), "%d", number);
	if (how == 0) {
		if ((pid = fork()) == 0)
			leaf(number);
	} else if (how == 1) {
		if ((pid = vfork()) == 0) {
			execv(self, argv);
			_exit(98);
		}
	} else if ((pid = fork()) == 0) {
		execv("/nonexistent/storm", argv);
		execv(self, argv);
		_exit(98);
	}
	if (pid < 0)
		fail("fork");
	return pid;
}

/* Some are stopped and let go on before they are waited for. */
static void disturb(pid_t pid)
{
	switch (draw(4)) {
	case 0:
		kill(pid, SIGSTOP);
		kill(pid, SIGCONT);
		break;
	case 1:
		kill(pid, SIGUSR2);
		break;
	case 2:
		kill(pid, SIGURG);
		break;
	default:
		break;
	}
}

static void wait_for(pid_t pid, int number)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid");
	if (number == LEAF_MAX ? !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)
	                       : !(WIFEXITED(status) && WEXITSTATUS(status) == number)) {
		fprintf(stderr, "storm: child %d of kind %d: status %x\n", pid, number, (unsigned)status);
		_exit(97);
	}
}

int main(int argc, char **argv)
{
	pid_t pids[AT_ONCE];

	signal(SIGUSR1, count);
	signal(SIGUSR2, SIG_IGN);
	if (argc == 3)
		leaf(atoi(argv[2]));
	for (int left = atoi(argv[1]); left > 0; left -= AT_ONCE) {
		for (int i = 0; i < AT_ONCE; i++)
			pids[i] = begin("/proc/self/exe", (int)draw(3), i);
		for (int i = 0; i < AT_ONCE; i++)
			disturb(pids[i]);
		for (int i = 0; i < AT_ONCE; i++)
			wait_for(pids[i], i);
	}
	errno = 0;
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		fail("a child too many");
	puts("calm");
	return 0;
}
