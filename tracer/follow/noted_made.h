/* Rows of noted_calls.c: calls that make a file or a directory, for tracer/made.h. */
#ifndef TRACER_FOLLOW_NOTED_MADE_H
#define TRACER_FOLLOW_NOTED_MADE_H

#include "tracer/points/call_rules.h"
#include "tracer/ptrace/tracee.h"

bool of_directory(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument);
bool of_directory_at(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument);
void note_directory(const struct tracee *tracee, uint64_t argument, int64_t result);
bool of_file(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument);
void note_file(const struct tracee *tracee, uint64_t argument, int64_t fd);

#endif
