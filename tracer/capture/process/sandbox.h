/* What a process that was attached to may have put itself into before, and no file tells of. */
#ifndef TRACER_CAPTURE_PROCESS_SANDBOX_H
#define TRACER_CAPTURE_PROCESS_SANDBOX_H

#include "tracer/capture/refuse.h"
#include "tracer/ptrace/remote.h"
#include "tracer/ptrace/stop_threads.h"

/* Refuses a thread in a sandbox of landlock; where that can't be found out, a line says so. Only for a
 * process not all of whose calls were seen. */
enum status refuse_old_sandbox(const struct subject *subject, const struct remote *remote,
                               const struct stopped_threads *threads) __attribute__((warn_unused_result));

#endif
