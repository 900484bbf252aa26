/*
 * Points: where a program is frozen. A point is a row of the table in point.c:
 * how it is written, what stops the program there, what is done when it is met.
 */
#ifndef TRACER_POINTS_POINT_H
#define TRACER_POINTS_POINT_H

#include <stdbool.h>
#include <stdint.h>

#include "format/base/elf.h"
#include "format/base/message.h"
#include "tracer/options.h"
#include "tracer/points/call_rules.h"
#include "tracer/ptrace/tracee.h"

struct run;

/* A program came to a point: how it is to be frozen there. */
struct arrival {
	const struct point *point;
	bool resume_main;      /* as in struct snapshot_request */
	uint64_t environ_cell; /* likewise */
	/* What a program that goes on itself is resumed with, where that differs from its image; or NULL. */
	const struct user_regs_struct *live;
};

struct point_kind {
	const char *word; /* the whole POINT, or its beginning where that ends with ':'; NULL: any other */
	/* Reads what follows the word; prints its line and returns STATUS_FAILED if that is wrong. */
	enum status (*parse)(struct point *point, const char *argument);
	/* Adds the calls that may be the point; NULL: none. */
	void (*watch)(struct point *point);
	/* One of them, before it has an effect: is it the point? If so, says in trigger what was met. NULL
	 * with watch: every one is, and trigger says its name. */
	enum status (*met)(struct run *run, struct tracee *tracee, const struct point *point,
	                   const struct call *call, bool *ret_met);
	/* A chosen process is at the end of its exec: plants breakpoints; NULL: nothing to do. */
	enum status (*arm)(struct run *run, struct tracee *tracee, const struct point *point,
	                   const struct elf_file *executable);
	/* A BREAKPOINT_POINT was hit that counts, and the thread's rip is back on it: says in trigger what
	 * was met. NULL without arm. */
	struct arrival (*hit)(struct run *run, struct tracee *tracee, const struct breakpoint *breakpoint);
	/* From time to time: is it time for this process? If so, says in trigger why. NULL: time is nothing
	 * to it. */
	bool (*is_due)(struct run *run, const struct point *point, struct process *process, double now);
	bool follows_copies; /* of inherited descriptors: see stream_copies.h */
	bool answered;       /* resumed after the call, which returned `answer`; else it is made again */
	uint64_t answer;
	bool at_start;    /* only met by a program that begins: nothing to attach to */
	const char *form; /* how it is written, in --help; and when it is met */
	const char *help;
	const char *hint; /* for the user whose program never came there */
};

struct point {
	const struct point_kind *kind;
	unsigned index;          /* among the points of the run */
	const char *text;        /* as given */
	struct call_rules calls; /* that may be the point */
	/* SYMBOL and its like: */
	char *file, *symbol; /* NULL: not given */
	uint64_t offset;     /* or the address, where there is no symbol */
	/* the others: */
	const char *path;
	int number; /* of a system call, a descriptor, a signal */
	uint64_t nth;
	double seconds;
};

struct points {
	struct point point[POINTS_MAX];
	unsigned count;
};

/* Adds a POINT, whose text is borrowed. Prints a line and returns STATUS_FAILED for one that is unknown, or
 * too many. */
enum status points_add(struct points *points, const char *text) __attribute__((warn_unused_result));
void points_free(struct points *points);

/* A line or more for each kind. */
void points_describe(const struct help *help);

/* The first point of a kind, or NULL. */
const struct point *points_find(const struct points *points, const struct point_kind *kind);

extern const struct point_kind point_main, point_entry, point_symbol, point_path, point_syscall, point_here,
        point_warm, point_effect, point_read, point_output, point_listen, point_accept, point_signal,
        point_after, point_idle;

#endif
