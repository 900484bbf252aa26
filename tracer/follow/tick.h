/* A wait for events that is interrupted from time to time, for what goes by the clock. */
#ifndef TRACER_FOLLOW_TICK_H
#define TRACER_FOLLOW_TICK_H

#include <stdbool.h>

/* From now on a SIGALRM comes every 20 ms, the first at once; system calls that wait end with EINTR by it. */
void tick_start(void);
void tick_stop(void);
/* Whether one has come since the last question. */
bool tick_came(void);

#endif
