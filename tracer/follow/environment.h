/* The first stack of a new program: two variables are put into its environment before it runs. */
#ifndef TRACER_FOLLOW_ENVIRONMENT_H
#define TRACER_FOLLOW_ENVIRONMENT_H

#include <stdint.h>

#include "format/base/message.h"
#include "tracer/ptrace/tracee.h"

/*
 * Adds LD_PRELOAD=<shim>[:what it was] and SNAP_SHIM after the last variable of the program that tracee
 * is about to begin (at the end of its exec), as preload/contract.h says.
 * The kernel's marks of the environment are not touched: /proc/PID/environ shows the caller's.
 */
enum status environment_add_shim(const struct tracee *tracee, const char *shim, unsigned flags,
                                 uint64_t stack_top) __attribute__((warn_unused_result));

#endif
