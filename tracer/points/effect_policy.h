/* Which system calls have an effect outside of the process that makes them. */
#ifndef TRACER_POINTS_EFFECT_POLICY_H
#define TRACER_POINTS_EFFECT_POLICY_H

#include <sys/types.h>

#include "tracer/points/call_rules.h"

/* The calls that have one, or may have: those that effect_is_certain() is to be asked about. Descriptors that
 * were inherited are those of the_caller. */
void effect_policy_watch(struct call_rules *rules);

/* A call that the rules fit: whether it has an effect in this thread's situation, which no filter knows. */
bool effect_is_certain(pid_t tid, const struct call *call);

#endif
