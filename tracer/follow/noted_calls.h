/*
 * Calls by which a program sets what can't be seen later: what the caller has
 * set to the same value (the program's all the same, but equal), and what the
 * kernel tells nobody. They are rules of the filter, a row each.
 */
#ifndef TRACER_FOLLOW_NOTED_CALLS_H
#define TRACER_FOLLOW_NOTED_CALLS_H

#include "tracer/points/call_rules.h"
#include "tracer/ptrace/tracee.h"

void noted_calls_watch(struct call_rules *rules);

/* At the call's entry. True if its result is wanted: noted_call_ended() then. */
bool noted_call_begins(struct tracee *tracee, const struct call *call);
void noted_call_ended(struct tracee *tracee, int64_t result);

/* What a program that is executed has of what its process was before. */
struct noted noted_after_exec(const struct noted *before);

#endif
