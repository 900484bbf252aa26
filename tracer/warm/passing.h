/* Effects that have passed when the program comes to the point: a temporary file that is gone again. */
#ifndef TRACER_WARM_PASSING_H
#define TRACER_WARM_PASSING_H

#include "tracer/warm/inputs.h"

/* True: this call leaves nothing that a start would lack, or what it leaves is noted until it's taken away;
 * directories only of a run that trains. */
bool passing_takes(struct inputs *inputs, pid_t pid, const struct call *call, bool trains);
/* Of a program that is ended before it could do so itself. */
void passing_take_away(const struct inputs *inputs);
/* What is still there of it; NULL: nothing. */
const char *passing_left(const struct inputs *inputs);

#endif
