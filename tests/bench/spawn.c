/*
 * bench_spawn [-1] ROUNDS -- COMMAND [ARG...] [-- COMMAND [ARG...]]...
 *
 * Starts the commands in turn, ROUNDS times, and prints a line a round: for each command the nanoseconds from
 * before the start to its end, or with -1 to the first byte that it writes to stdout. In C, for an
 * interpreter that starts processes costs more than what is measured. Fails when a command does: a failure is
 * quick and would look good.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MAX_COMMANDS = 16 };

static void die(const char *what, const char *which)
{
	fprintf(stderr, "bench_spawn: %s: %s: %s\n", which, what, strerror(errno));
	exit(125);
}

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static long long until_first_byte(int fd, const char *which)
{
	char buffer[65536];
	if (read(fd, buffer, sizeof(buffer)) <= 0)
		die("ended without a byte on stdout", which);
	long long end = now();
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	close(fd);
	return end;
}

static long long measure(char **command, bool first_byte)
{
	int fds[2] = {-1, -1};
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (first_byte) {
		if (pipe2(fds, O_CLOEXEC) != 0)
			die("pipe", command[0]);
		posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	} else {
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	}
	pid_t pid;
	int status;
	long long start = now();
	errno = posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
	if (errno)
		die("cannot be started", command[0]);
	long long end = 0;
	if (first_byte) {
		close(fds[1]);
		end = until_first_byte(fds[0], command[0]);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid", command[0]);
	if (!first_byte)
		end = now();
	errno = 0;
	if (status != 0)
		die("ended with a failure", command[0]);
	posix_spawn_file_actions_destroy(&actions);
	return end - start;
}

int main(int argc, char **argv)
{
	bool first_byte = argc > 1 && strcmp(argv[1], "-1") == 0;
	int next = first_byte ? 2 : 1;
	if (argc < next + 3 || strcmp(argv[next + 1], "--") != 0) {
		fputs("usage: bench_spawn [-1] ROUNDS -- COMMAND [ARG...] [-- COMMAND [ARG...]]...\n",
		      stderr);
		return 125;
	}
	long rounds = strtol(argv[next], NULL, 10);
	char **commands[MAX_COMMANDS];
	int count = 0;
	for (int i = next + 1; i < argc && count < MAX_COMMANDS; i++) {
		if (strcmp(argv[i], "--") == 0) {
			argv[i] = NULL; /* ends the command before */
			commands[count++] = &argv[i + 1];
		}
	}
	for (long round = 0; round < rounds; round++) {
		for (int i = 0; i < count; i++)
			printf("%lld%c", measure(commands[i], first_byte), i + 1 < count ? ' ' : '\n');
		fflush(stdout);
	}
	return 0;
}
