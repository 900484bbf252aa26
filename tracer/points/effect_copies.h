/* Copies of inherited descriptors under other numbers, for the point `effect`: dup(2) tells nobody anything,
 * but what is done to a copy reaches as far as what is done to the stream itself. The filter knows numbers
 * that were inherited only, so every call of a process that has such a copy is looked at, until it is closed.
 */
#ifndef TRACER_POINTS_EFFECT_COPIES_H
#define TRACER_POINTS_EFFECT_COPIES_H

#include <stdbool.h>

#include "tracer/points/call_rules.h"
#include "tracer/ptrace/tracee.h"

/* Whether the call would give an inherited descriptor another number that can be followed: then the thread
 * awaits what it returns (AWAIT_COPY). Else it counts as any effect. */
bool effect_copy_begins(struct tracee *tracee, const struct call *call);
/* What it returned: the copy's number, if it isn't negative. */
void effect_copy_ended(struct tracee *tracee, int64_t result);
/* Forgets the copies that are closed. True if there are others. */
bool effect_copies_remain(struct tracee *tracee);
/* Of a call about a copy: the same about the inherited descriptor, which is what the filter's rules are for.
 * False: it is about none. */
bool effect_copies_translate(const struct tracee *tracee, struct call *call);

#endif
