/* Every ptrace-stop ends here: the thread goes on. */
#ifndef TRACER_FOLLOW_RESUME_H
#define TRACER_FOLLOW_RESUME_H

#include "tracer/run.h"

/* Lets the thread run to its next event, with a signal (0: none). ESRCH is no failure: it was killed
 * meanwhile, and wait tells. */
enum status resume(const struct run *run, const struct tracee *tracee, int signal_number);

#endif
