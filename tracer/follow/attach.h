/* Takes a running process up, for -p. */
#ifndef TRACER_FOLLOW_ATTACH_H
#define TRACER_FOLLOW_ATTACH_H

#include "tracer/run.h"

/* Seizes every thread of options->attach and arms the points in it. The process goes on, and does so too when
 * snaptrace ends, however that is. */
enum status attach_to(struct run *run) __attribute__((warn_unused_result));

/* One of its descendants, which was there before. *ret_tracee: NULL where it has ended meanwhile. */
enum status attach_to_member(pid_t pid, struct tracee **ret_tracee) __attribute__((warn_unused_result));

#endif
