/* The first stack of a new program: two variables are put into its environment before it runs. */
#ifndef TRACER_ENVIRONMENT_H
#define TRACER_ENVIRONMENT_H

#include <stdint.h>

#include "message.h"
#include "tracee.h"

/*
 * Adds LD_PRELOAD=<shim>[:what it was] and SNAP_SHIM=<contract>:<flags> behind the last variable of the
 * program that tracee is about to begin (at the end of its exec). What LD_PRELOAD was stays in place: the
 * last one counts for the dynamic linkers of glibc (elf/rtld.c, process_envvars) and musl (ldso/dynlink.c).
 * The kernel's marks of the environment are not touched: /proc/PID/environ shows the caller's.
 */
enum status environment_add_shim(const struct tracee *tracee, const char *shim, unsigned flags,
                                 uint64_t stack_top) __attribute__((warn_unused_result));

#endif
