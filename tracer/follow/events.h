/* What each event of a traced thread owes it. A handler ends with the thread resumed, gone, or frozen. */
#ifndef TRACER_FOLLOW_EVENTS_H
#define TRACER_FOLLOW_EVENTS_H

#include "tracer/run.h"

/* status: as from wait(2). Not STATUS_OK ends the run; its line is printed. */
typedef enum status event_handler(struct run *run, struct tracee *tracee, int status);

/* loop.c: by the one of these that it is for */
event_handler answer_event;
/* events_life.c: beginnings and ends */
event_handler on_birth, on_vfork_done, on_exec, on_end;
/* events_call.c: system calls */
event_handler on_watched_call, on_syscall_stop;
/* events_signal.c: signals, breakpoints, stops */
event_handler on_signal, on_stop;

#endif
