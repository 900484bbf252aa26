/* The system calls of the target's architecture, as points name them. */
#ifndef TRACER_POINTS_SYSTEM_CALLS_H
#define TRACER_POINTS_SYSTEM_CALLS_H

#include <stddef.h>

struct path_call {
	int number;
	unsigned mask; /* bit n: argument n (from 0) is a path */
};

/* The number of a name ("openat"), or -1. */
int system_call_number(const char *name);
/* The name of a number, or "a system call"; static storage. */
const char *system_call_name(long number);
/* All calls that name a path; static storage. */
const struct path_call *system_calls_with_path(size_t *ret_count);
/* Which arguments of a call are paths; 0: none. */
unsigned system_call_path_mask(long number);

#endif
