/*
 * All threads but the first. Each restores what only it can restore of itself
 * and parks in code that stays (resume_tail_x86_64.S), with a frame that stays;
 * none runs code of the program before all have parked, the callbacks have run
 * and the loader is gone.
 *
 * The first thread goes on when the others are back in the program, for it may
 * send one a signal that is to interrupt the call that it was seen in. It does
 * not wait for those that run a handler first, and not for ever for any.
 */
#ifndef RESTORE_BECOME_THREADS_X86_64_H
#define RESTORE_BECOME_THREADS_X86_64_H

#include <stdint.h>

#include "format/image/layout.h"

/* What the tail needs to know, in the resume area; the offsets are those of resume_tail_x86_64.S. */
struct crew {
	volatile uint32_t parked; /* 0: threads that need the loader's code no more */
	volatile uint32_t wanted; /* 4: whoever makes it this many wakes the first thread */
	volatile uint32_t stage;  /* 8: enum stage */
	uint32_t others;          /* 12: threads beside the first */
	volatile uint8_t *gone;   /* 16: a byte each: it is back in the program */
};
enum stage { STAGE_WAIT, STAGE_CALLBACKS, STAGE_RUN /* 2 in resume_tail_x86_64.S */ };

/* Bytes that the departure code and the bytes of `gone` take in the resume area. */
uint64_t threads_departure_size(void);
uint64_t threads_gone_size(void);

/* Before the area's code becomes read-only. */
void threads_write_departures(void);
/* Starts the others, which restore themselves meanwhile; ids are known when it returns. All signals must be
 * blocked. */
void threads_start(void);
/* Returns when none of them can refuse any more. */
void threads_wait(void);
/* The new id of the thread with this index. */
uint32_t thread_id(uint32_t index);
/* Runs the callbacks on the thread that met the point; returns when all others have parked. */
void threads_run_callbacks(void);
/* NULL: there is one thread. */
struct crew *threads_crew(void);

/* resume_x86_64.c, for each thread but the first in its own turn. */
void thread_restore_self(const struct snapimg_thread *thread, uint32_t index);
/* The first sends those of the process, too. */
void thread_send_pending(uint32_t index);
void thread_call_callbacks(const struct snapimg_thread *thread);
/* Writes the frame that rt_sigreturn takes; returns its address. */
uint64_t thread_write_frame(uint64_t to, const struct snapimg_thread *thread);

#endif
