/*
 * How bench_spawn measures a command:
 *
 *     :end         from before the start to its end
 *     :byte        from before the start to the first byte that it writes to stdout
 *     :ping=PORT   from before the start to a `+PONG` from 127.0.0.1:PORT; then it is killed
 *     :warm        started once; asked by a byte on stdin it does what is measured, and answers with a sample
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "spawn.h"

extern char **environ;

enum { NOWHERE = -1 }; /* /dev/null, in the place of a descriptor */

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* posix_spawn shares the memory with the child up to the exec, so it costs no copy of page tables. */
static pid_t start(struct command *command, int in, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (in == NOWHERE)
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, in, 0);
	if (out == NOWHERE)
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, out, 1);
	errno = posix_spawnp(&pid, command->argv[0], &actions, NULL, command->argv, environ);
	if (errno)
		die("can't be started", command->argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static long long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000ll + time.tv_usec;
}

/* end: when it was over, 0 for now, when the process is gone. */
static struct sample collect(struct command *command, pid_t pid, long long began, long long end, int wanted)
{
	struct rusage usage;
	int status;

	if (wait4(pid, &status, 0, &usage) != pid)
		die("wait4", command->argv[0]);
	end = end ? end : now();
	errno = 0;
	if (status != wanted)
		die("ended with a failure", command->argv[0]);
	return (struct sample){
	        .nanoseconds = end - began,
	        .faults = usage.ru_minflt + usage.ru_majflt,
	        .microseconds = microseconds(usage.ru_utime) + microseconds(usage.ru_stime),
	};
}

static struct sample to_end(struct command *command)
{
	long long began = now();

	return collect(command, start(command, NOWHERE, NOWHERE), began, 0, 0);
}

static struct sample to_first_byte(struct command *command)
{
	char buffer[65536];
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		die("pipe", command->argv[0]);
	long long began = now();
	pid_t pid = start(command, NOWHERE, fds[1]);
	close(fds[1]);
	errno = 0;
	if (read(fds[0], buffer, sizeof(buffer)) <= 0)
		die("ended without a byte on stdout", command->argv[0]);
	long long end = now();
	while (read(fds[0], buffer, sizeof(buffer)) > 0)
		;
	close(fds[0]);
	return collect(command, pid, began, end, 0);
}

/* One question: true when the answer was +PONG. A server that still loads says -LOADING. */
static bool answers(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t)port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char answer[64] = "";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket", "a ping");
	bool yes = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	           send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 &&
	           recv(fd, answer, sizeof(answer) - 1, 0) > 0 && strncmp(answer, "+PONG", 5) == 0;
	close(fd);
	return yes;
}

static struct sample to_pong(struct command *command)
{
	enum { TRIES = 50000 };                             /* 5 s and more */
	const struct timespec moment = {.tv_nsec = 100000}; /* not to take the processor from the server */

	/* The one before was killed: where it has its own IDs, it ends after the process that stood for it.
	 */
	for (int tries = 0; tries < TRIES && answers(command->number); tries++)
		(void)nanosleep(&moment, NULL);
	if (answers(command->number)) {
		errno = EADDRINUSE;
		die("another server answers at its port", command->argv[0]);
	}
	long long began = now();
	pid_t pid = start(command, NOWHERE, NOWHERE);
	while (!answers(command->number)) {
		siginfo_t ended = {.si_pid = 0};
		if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid)
			die("ended before it answered", command->argv[0]);
		nanosleep(&moment, NULL);
	}
	long long end = now();
	kill(pid, SIGKILL);
	return collect(command, pid, began, end, SIGKILL);
}

static void start_warm(struct command *command)
{
	int ask[2], answer[2]; /* a socket to ask, as one can be written to without SIGPIPE */

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ask) != 0 || pipe2(answer, O_CLOEXEC) != 0)
		die("pipe", command->argv[0]);
	command->warm = start(command, ask[0], answer[1]);
	close(ask[0]);
	close(answer[1]);
	command->ask = ask[1];
	command->answer = answer[0];
}

static struct sample ask_warm(struct command *command)
{
	struct sample sample;
	char line[128];
	ssize_t length;

	if (!command->warm)
		start_warm(command);
	errno = 0;
	if (send(command->ask, "?", 1, MSG_NOSIGNAL) != 1 ||
	    (length = read(command->answer, line, sizeof(line) - 1)) <= 0) /* a line is one write */
		die("gives no answer", command->argv[0]);
	line[length] = '\0';
	if (sscanf(line, "%lld,%ld,%lld", &sample.nanoseconds, &sample.faults, &sample.microseconds) != 3)
		die("gives a wrong answer", command->argv[0]);
	return sample;
}

void finish(struct command *command)
{
	int status;

	if (!command->warm)
		return;
	close(command->ask); /* the end of its stdin is the end of its work */
	if (waitpid(command->warm, &status, 0) != command->warm || status != 0)
		die("ended with a failure", command->argv[0]);
	close(command->answer);
}

const struct kind *find_kind(const char *word)
{
	static const struct kind kinds[] = {
	        {":end", to_end},
	        {":byte", to_first_byte},
	        {":ping=", to_pong},
	        {":warm", ask_warm},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t length = strlen(kinds[i].word);
		bool number_follows = kinds[i].word[length - 1] == '=';
		if (number_follows ? strncmp(word, kinds[i].word, length) == 0
		                   : strcmp(word, kinds[i].word) == 0)
			return &kinds[i];
	}
	return NULL;
}
