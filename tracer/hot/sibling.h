/* The other tools, which lie beside snaptrace. */
#ifndef TRACER_HOT_SIBLING_H
#define TRACER_HOT_SIBLING_H

#include <stddef.h>

/* The path of the tool; its mere name, for the caller's PATH, where snaptrace's own place is not known. */
void sibling_path(const char *name, char *path, size_t size);

#endif
