/* The users and groups of each thread, and what limits its capabilities, where they are not the caller's. */
#ifndef TRACER_CAPTURE_THREADS_USERS_H
#define TRACER_CAPTURE_THREADS_USERS_H

#include "tracer/capture/process/attributes.h"
#include "tracer/capture/threads/threads.h"

enum status threads_read_users(const struct threads *threads, const struct subject *subject,
                               struct attributes *attributes) __attribute__((warn_unused_result));

#endif
