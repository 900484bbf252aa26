/* The end of tracing without the end of the program: everything is left as if we had never been there. */
#ifndef TRACER_FOLLOW_RELEASE_H
#define TRACER_FOLLOW_RELEASE_H

#include "tracer/run.h"

/* From now on every thread is let go at its next stop, which comes as soon as it can be stopped; loop() ends
 * when the last one is gone. outcome: what snaptrace ends with. */
void release_begin(struct run *run, enum status outcome);

/* The thread is in a stop at which it can run a call: takes our breakpoints and the guard of the break out of
 * its process. */
enum status release_clean(struct tracee *tracee) __attribute__((warn_unused_result));

/* At a stop that release_begin() asked for (PTRACE_EVENT_STOP): cleans the process and lets the
 * thread go. The tracee is forgotten. */
enum status release(struct run *run, struct tracee *tracee) __attribute__((warn_unused_result));

/* Of a process that was attached to: forgets the threads that can't be stopped now, in vfork, which are let
 * go when snaptrace ends; all of them where a signal asked it to. */
void release_unstoppable(struct run *run);

#endif
