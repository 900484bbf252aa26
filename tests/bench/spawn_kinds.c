/*
 * How bench_spawn measures a command:
 *
 *     :end         from before the start to its end
 *     :byte        from before the start to the first byte that it writes to stdout
 *     :ping=PORT   from before the start to a `+PONG` from 127.0.0.1:PORT; then it is killed
 *     :http=PORT   the same to an answer in HTTP; then it is asked to end (SIGTERM), and does
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

/* What a server is asked, and how it is ended. One that still loads says -LOADING. */
struct question {
	const char *text, *answer; /* how that begins */
	int end;                   /* a signal */
	int status;                /* of which it ends; 0: by itself */
};
static const struct question ping = {"PING\r\n", "+PONG", SIGKILL, SIGKILL};
/* Its workers end with it. */
static const struct question get = {"GET / HTTP/1.0\r\n\r\n", "HTTP/1.", SIGTERM, 0};

static bool answers(const struct question *question, int port)
{
	size_t length = strlen(question->text);
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t)port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char answer[64] = "";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket", question->text);
	bool yes = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	           send(fd, question->text, length, MSG_NOSIGNAL) == (ssize_t)length &&
	           recv(fd, answer, sizeof(answer) - 1, 0) > 0 &&
	           strncmp(answer, question->answer, strlen(question->answer)) == 0;
	close(fd);
	return yes;
}

static struct sample to_answer(struct command *command, const struct question *question)
{
	enum { TRIES = 50000 };                             /* 5 s and more */
	const struct timespec moment = {.tv_nsec = 100000}; /* not to take the processor from the server */

	/* The one before was killed: where it has its own IDs, it ends after the process that stood for it.
	 */
	for (int tries = 0; tries < TRIES && answers(question, command->number); tries++)
		(void)nanosleep(&moment, NULL);
	if (answers(question, command->number)) {
		errno = EADDRINUSE;
		die("another server answers at its port", command->argv[0]);
	}
	long long began = now();
	pid_t pid = start(command, NOWHERE, NOWHERE);
	while (!answers(question, command->number)) {
		siginfo_t ended = {.si_pid = 0};
		if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid)
			die("ended before it answered", command->argv[0]);
		nanosleep(&moment, NULL);
	}
	long long end = now();
	kill(pid, question->end);
	return collect(command, pid, began, end, question->status);
}

static struct sample to_pong(struct command *command)
{
	return to_answer(command, &ping);
}

static struct sample to_page(struct command *command)
{
	return to_answer(command, &get);
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
	        {":end", to_end},    {":byte", to_first_byte}, {":ping=", to_pong},
	        {":http=", to_page}, {":warm", ask_warm},
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
