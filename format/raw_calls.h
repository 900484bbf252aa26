/* Whether the program makes calls that the shim does not see. */
#ifndef SNAPIMG_RAW_CALLS_H
#define SNAPIMG_RAW_CALLS_H

#include <stdbool.h>

#include "reader.h"

/* Looks into the executable files of the image, as they are now. */
bool has_raw_calls(const struct snapimg *image);

#endif
