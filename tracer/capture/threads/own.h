/* What a thread has for itself beside its registers: what prctl(2), personality(2) and their like set. */
#ifndef TRACER_CAPTURE_THREADS_OWN_H
#define TRACER_CAPTURE_THREADS_OWN_H

#include "tracer/capture/process/attributes.h"
#include "tracer/capture/threads/threads.h"

/* Needs no call in the target: whether there can be one. */
enum status threads_refuse_dispatch(const struct threads *threads, const struct subject *subject)
        __attribute__((warn_unused_result));
/* Records what is another than the main thread's, and refuses what can't be carried. */
enum status threads_read_own(const struct threads *threads, const struct subject *subject,
                             const struct remote *remote, struct attributes *attributes)
        __attribute__((warn_unused_result));

/* Whether the program set it, not the caller or our filter. */
bool thread_set_no_new_privs(const struct subject *subject, pid_t tid);

#endif
