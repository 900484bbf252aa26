/* The lines after a dump. */
#ifndef TRACER_FOLLOW_SUMMARY_H
#define TRACER_FOLLOW_SUMMARY_H

#include "tracer/capture/snapshot.h"
#include "tracer/run.h"

/* What a start from here saves: seconds from the exec of the process's first program to now; of one that was
 * attached to, since its birth. */
double summary_saved(const struct process *process);

/* `process`: the one that was at the point. */
void summary_print(const struct run *run, const struct process *process, const struct point *point,
                   const struct snapshot_result *result, double saved);

#endif
