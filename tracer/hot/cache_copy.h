/* The thawed copy of a new image, in the cache where snaprun finds it. */
#ifndef TRACER_HOT_CACHE_COPY_H
#define TRACER_HOT_CACHE_COPY_H

#include <stdbool.h>

/* Waits for snapimg to make it. Nothing depends on it: the first start makes one where this could not. */
void cache_copy_make(const char *image, bool verbose);

#endif
