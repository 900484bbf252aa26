/* Copies of inherited descriptors under other numbers, for the points `effect`, `read:FD` and `output`:
 * dup(2) tells nobody anything, but what is done to a copy reaches as far as what is done to the stream
 * itself. The filter knows numbers that were inherited only, so every call of a process that has such a copy
 * is looked at, until it is closed.
 */
#ifndef TRACER_POINTS_STREAM_COPIES_H
#define TRACER_POINTS_STREAM_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "tracer/points/call_rules.h"
#include "tracer/ptrace/tracee.h"

/* The calls that give the descriptor `fd` another number. */
void stream_copies_watch(struct call_rules *rules, uint32_t fd);
/* Whether it is one of those calls, of any descriptor. */
bool stream_copy_asked(const struct call *call);

/* Whether the call would give an inherited descriptor another number that can be followed: then the thread
 * awaits what it returns (AWAIT_COPY). Else it counts as any effect. */
bool stream_copy_begins(struct tracee *tracee, const struct call *call);
/* What it returned: the copy's number, if it isn't negative. */
void stream_copy_ended(struct tracee *tracee, int64_t result);
/* Forgets the copies that are closed. True if there are others. */
bool stream_copies_remain(struct tracee *tracee);
/* Of a call about a copy: the same about the inherited descriptor, which is what the filter's rules are for.
 * False: it is about none. */
bool stream_copies_translate(const struct tracee *tracee, struct call *call);

#endif
