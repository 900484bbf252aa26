/*
 * The choice of the processes that a point counts in, a small state machine:
 *
 *     NONE ──exec of a program that --in admits──> COMING ──end of that exec──> COUNTS ──exec──> (again)
 *     NONE ──attached to (-p)──> COUNTS
 *     COMING ──a program that can't be frozen──> NONE
 *
 * A child begins with its parent's state; but one of a process that was attached to with NONE: there the root
 * alone is chosen. Each change sets the time that goes with it.
 */
#ifndef TRACER_FOLLOW_CHOICE_H
#define TRACER_FOLLOW_CHOICE_H

#include "tracer/run.h"

/* At the event of an exec: what becomes of the process. */
enum status choice_at_exec(struct run *run, struct process *process) __attribute__((warn_unused_result));

/* From now on points count there. */
void choice_count(struct run *run, struct process *process);

/* It is no longer to be: its program gets on without. */
void choice_drop(struct process *process);

/* What a child is born with, as far as it isn't its parent's. */
void choice_at_birth(const struct run *run, struct process *born);

#endif
