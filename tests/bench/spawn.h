/* bench_spawn: a command that is measured, and the ways to measure one. */
#ifndef BENCH_SPAWN_H
#define BENCH_SPAWN_H

#include <sys/types.h>

/* What one start cost. */
struct sample {
	long long nanoseconds;
	long faults;            /* minor and major, of the process and the children it waited for */
	long long microseconds; /* of the processor, by user and system */
};

struct command {
	const struct kind *kind;
	int number; /* what stands after the kind's `=` */
	char **argv;
	pid_t warm;      /* of a command that lives through all the rounds: 0, or its process … */
	int ask, answer; /* … and the ways to it and back */
};

/* How a command is measured. */
struct kind {
	const char *word; /* as in the arguments, with a `=` at its end when a number follows */
	struct sample (*measure)(struct command *command);
};

/* NULL for a word that is none. */
const struct kind *find_kind(const char *word);

/* Ends what lives through the rounds. */
void finish(struct command *command);

__attribute__((noreturn)) void die(const char *what, const char *which);

#endif
