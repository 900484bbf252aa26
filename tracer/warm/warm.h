/*
 * --warm: an unchanged program of an interpreted language is run up to the
 * moment when it first looks at its arguments. A helper in the language
 * (preload/warm/) stands between the interpreter and the program's file, and
 * meets the point `warm` there.
 */
#ifndef TRACER_WARM_WARM_H
#define TRACER_WARM_WARM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "format/base/message.h"
#include "tracer/warm/inputs.h"

struct options;

struct warm_run {
	char **words;             /* the command line with the helper in it; owned, NULL-terminated */
	uint32_t fixed_arguments; /* of them, up to the program's file: new arguments follow; 0: no --warm */
	struct inputs inputs;
	bool trains; /* this run is to tell which modules are loaded after the first look at the arguments */
	bool looked; /* of such a run: it has looked */
	int list;    /* training.h: the modules, a line each */
	char *loading; /* the one that is loaded before the point, just now; or NULL */
	char **left_out;
	size_t left_out_count;
	char refusal[512]; /* --check: why no image could be made where it looks; else it ends with that */
	pid_t begun;       /* the process whose helper has said that the program itself begins; 0: none */
};

/* Prints a line and returns STATUS_FAILED for what is neither a language nor "auto". */
enum status warm_check_language(const char *word) __attribute__((warn_unused_result));

/* Of an interpreter and its options: the index in PROG's words of the script's file, or of what else is run
 * (a class of Java); 0: PROG is the script. */
size_t warm_find_file(const struct options *options, const char *path, bool *ret_is_file);

/* *path is where PROG was found, and becomes the interpreter's. Prints a line where PROG is no program that a
 * helper is made for. */
enum status warm_prepare(const struct options *options, const char *shim, char **path,
                         struct warm_run *ret_warm) __attribute__((warn_unused_result));
void warm_free(struct warm_run *warm);

#endif
