/* Durations as options and points have them: a number with a unit, ms, s, m or h; s where none is given. */
#ifndef FORMAT_BASE_DURATION_H
#define FORMAT_BASE_DURATION_H

#include <stdbool.h>

/* False for what is no duration, or one of more than ten years. */
bool duration_parse(const char *text, double *ret_seconds);

#endif
