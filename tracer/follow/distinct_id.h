/* IDs by which the program can be found in its own memory. */
#ifndef TRACER_FOLLOW_DISTINCT_ID_H
#define TRACER_FOLLOW_DISTINCT_ID_H

#include <stdbool.h>
#include <sys/types.h>

/* Uses up the small ones, which takes a fifth of a second: before signals are blocked. */
void leave_common_ids(void);
/* If our own is so small that nobody could find it in a child that asks for its parent's: true; a child that
 * is forked now has one that can be found. */
bool leave_small_ids(void);
/* As fork(2), of a process with one thread. The child's ID is a number that is seldom anything else, as far
 * as this caller may choose one; those of its threads follow on from numbers that are not small either. */
pid_t fork_distinct(void);

#endif
