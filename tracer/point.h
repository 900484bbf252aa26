/*
 * Points: where a program is frozen. A point is a row of the table in point.c:
 * how it is written, what stops the program there, what is done when it is met.
 */
#ifndef TRACER_POINT_H
#define TRACER_POINT_H

#include <stdbool.h>
#include <stdint.h>

#include "elf_file.h"
#include "filter.h"
#include "message.h"
#include "tracee.h"

struct run;
struct point;

struct point_kind {
	const char *word; /* the whole POINT, or its beginning where that ends with ':'; NULL: any other */
	/* Reads what follows the word; prints its line and returns STATUS_FAILED if that is wrong. */
	enum status (*parse)(struct point *point, const char *argument);
	/* Adds the calls that must stop; NULL: none, and so no filter at all. */
	void (*watch)(const struct point *point, struct filter *filter);
	/* A selected process is at the end of its exec: plants breakpoints; NULL: nothing to do. */
	enum status (*arm)(struct run *run, struct tracee *tracee, const struct elf_file *executable);
	/* A breakpoint was hit and the thread's rip is back on it; NULL with arm. */
	enum status (*hit)(struct run *run, struct tracee *tracee, struct breakpoint *breakpoint);
	/* A watched call, before it has an effect: is it the point? If so, says in trigger what was met. */
	enum status (*met)(struct run *run, struct tracee *tracee, const struct user_regs_struct *registers,
	                   bool *ret_met);
	bool answered;    /* resumed behind the call, which returned SNAP_RESUMED; else it is made anew */
	const char *hint; /* for the user whose program never came there */
};

struct point {
	const struct point_kind *kind;
	const char *text; /* as given */
	/* SYMBOL and its like: */
	char *file, *symbol; /* NULL: not given */
	uint64_t offset;     /* or the address, where there is no symbol */
	/* path: and syscall: */
	const char *path;
	int call;
	uint64_t nth;
};

/* Reads a POINT; *ret_point borrows the text. Prints a line and returns STATUS_FAILED for an unknown one. */
enum status point_parse(const char *text, struct point *ret_point) __attribute__((warn_unused_result));

extern const struct point_kind point_main, point_entry, point_symbol, point_path, point_syscall, point_here;

#endif
