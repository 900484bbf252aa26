/* What PROG begins in where an image is to be portable or reproducible. snaptrace goes there itself, before
 * it remembers what PROG inherits: so none of it counts as PROG's own. */
#ifndef TRACER_SURROUNDINGS_H
#define TRACER_SURROUNDINGS_H

#include "tracer/options.h"

/* --portable: a clock near zero, where a time namespace may be made (a line tells where not), and libraries
 * whose functions are bound at once. --reproducible: the same addresses and hash seeds each time. */
enum status surroundings_enter(const struct options *options) __attribute__((warn_unused_result));

#endif
