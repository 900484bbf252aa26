/* The life of the traced processes, event by event. */
#ifndef TRACER_LOOP_H
#define TRACER_LOOP_H

#include "run.h"

/* Follows all of them until none is left, or something failed (its line is printed; they are then still to
 * be ended). Returns STATUS_OK when the point was met, STATUS_ENDED when it wasn't. */
enum status loop(struct run *run) __attribute__((warn_unused_result));

#endif
