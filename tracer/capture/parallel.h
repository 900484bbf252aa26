/* Work for all processors that may be used. */
#ifndef TRACER_CAPTURE_PARALLEL_H
#define TRACER_CAPTURE_PARALLEL_H

#include <pthread.h>
#include <stddef.h>

/* Starts a thread that gets no signals: they are the tracer's, which waits for its tracees. Returns 0, or an
 * error number as pthread_create(3) does. */
int parallel_start(pthread_t *ret_thread, void *(*run)(void *), void *argument);

/* How many processors there are for this process, at least 1. */
size_t parallel_processors(void);

/* Calls work(context, item) for each item below `count`, by this thread and, if there are processors and
 * threads to be had, by others; items are begun in order. Returns when all are done. */
void parallel_for(size_t count, void (*work)(void *context, size_t item), void *context);

#endif
