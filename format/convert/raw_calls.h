/* Whether the program makes calls that the shim does not see. */
#ifndef FORMAT_CONVERT_RAW_CALLS_H
#define FORMAT_CONVERT_RAW_CALLS_H

#include <stdbool.h>

#include "format/image/reader.h"

/* Looks into the executable files of the image, as they are now. */
bool has_raw_calls(const struct snapimg *image);

#endif
