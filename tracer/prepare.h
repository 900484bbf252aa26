/* What must be known, and what can be refused, before PROG runs. */
#ifndef TRACER_PREPARE_H
#define TRACER_PREPARE_H

#include "tracer/run.h"

/* Points, the filter of the calls they want to see, PROG's file (*ret_path), the shim, a launcher, the output
 * (*ret_output). Both are the caller's to free, whatever is returned. */
enum status prepare(struct run *run, char **ret_path, char **ret_output) __attribute__((warn_unused_result));

#endif
