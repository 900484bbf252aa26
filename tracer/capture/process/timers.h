/* Interval timers (setitimer, alarm) and POSIX timers (timer_create). */
#ifndef TRACER_CAPTURE_PROCESS_TIMERS_H
#define TRACER_CAPTURE_PROCESS_TIMERS_H

#include "tracer/capture/process/state.h"
#include "tracer/capture/threads/threads.h"

struct timers {
	struct snapimg_timer *record;
	size_t count;
};

/* Needs the scratch page. Refuses timers of a clock of one thread among several. */
enum status timers_read(const struct subject *subject, const struct threads *threads,
                        const struct remote *remote, struct timers *ret_timers)
        __attribute__((warn_unused_result));
enum snapimg_error timers_write(const struct timers *timers, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void timers_free(struct timers *timers);

#endif
