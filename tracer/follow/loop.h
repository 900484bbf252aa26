/* The life of the traced processes, event by event. */
#ifndef TRACER_FOLLOW_LOOP_H
#define TRACER_FOLLOW_LOOP_H

#include "tracer/run.h"

/* Follows all of them until none is left, the point is reached and nothing else is to go on, or something
 * failed (its line is printed; they are then still to be ended, or let go). How far it came is in run->phase.
 */
enum status loop(struct run *run) __attribute__((warn_unused_result));

#endif
