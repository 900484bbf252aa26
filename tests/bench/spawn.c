/*
 * bench_spawn ROUNDS KIND COMMAND [ARG...] [KIND COMMAND [ARG...]]...
 *
 * Starts the commands in turn, ROUNDS times, and prints a line a round: for each command `nanoseconds,page
 * faults,microseconds of processor`. In C, for an interpreter that starts processes costs more than what is
 * measured. Fails when a command does: a failure is quick and would look good. Kinds: spawn_kinds.c.
 */
#include "spawn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COMMANDS = 16 };

void die(const char *what, const char *which)
{
	fprintf(stderr, "bench_spawn: %s: %s: %s\n", which, what, strerror(errno));
	exit(125);
}

static int parse(char **argument, struct command *command)
{
	int count = 0;

	for (; *argument; argument++) {
		const struct kind *kind = find_kind(*argument);
		if (!kind)
			continue;
		if (count == MAX_COMMANDS || !argument[1])
			return 0;
		command[count] = (struct command){.kind = kind, .argv = argument + 1};
		if (kind->word[strlen(kind->word) - 1] == '=')
			command[count].number = atoi(*argument + strlen(kind->word));
		count++;
		*argument = NULL; /* ends the command before */
	}
	return count;
}

/* Each round begins with another command, so that none always comes after the same one. */
static void measure_round(struct command *command, int count, long round)
{
	struct sample sample[MAX_COMMANDS];

	for (int i = 0; i < count; i++) {
		int which = (int)((round + i) % count);
		sample[which] = command[which].kind->measure(&command[which]);
	}
	for (int i = 0; i < count; i++)
		printf("%lld,%ld,%lld%c", sample[i].nanoseconds, sample[i].faults, sample[i].microseconds,
		       i + 1 < count ? ' ' : '\n');
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct command command[MAX_COMMANDS];
	int count = argc > 3 && find_kind(argv[2]) ? parse(&argv[2], command) : 0;

	if (count == 0) {
		fputs("usage: bench_spawn ROUNDS KIND COMMAND [ARG...] [KIND COMMAND [ARG...]]...\n", stderr);
		return 125;
	}
	long rounds = strtol(argv[1], NULL, 10);
	for (long round = 0; round < rounds; round++)
		measure_round(command, count, round);
	for (int i = 0; i < count; i++)
		finish(&command[i]);
	return 0;
}
