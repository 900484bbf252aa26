/* What snaptrace ends with, and says of the end. */
#ifndef TRACER_OUTCOME_H
#define TRACER_OUTCOME_H

#include <stdio.h>

#include "tracer/run.h"

/* Ends as PROG did, by the same signal where it was one; its core dump is enough. Else returns the status. */
int end_as(int wait_status);

/* The exit status after all went as it should; waits for PROG where that goes on. */
int outcome(struct run *run);

/* --check: writes what was found to `out` and closes it. Returns the exit status. */
int report(const struct run *run, enum status status, FILE *out);

#endif
