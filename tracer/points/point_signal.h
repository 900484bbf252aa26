/* The point `signal:NAME`, which is met where the program would get a signal. */
#ifndef TRACER_POINTS_POINT_SIGNAL_H
#define TRACER_POINTS_POINT_SIGNAL_H

#include "tracer/points/point.h"

/* Whether the point is this signal's. */
bool point_signal_is(const struct point *point, int number);

/* "TERM", "RTMIN+3", or the number; size at least 16. */
void signal_name(char *name, size_t size, int number);

#endif
