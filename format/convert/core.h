/* The image as a core file, as the kernel would have written one at the point (core(5)): for debuggers. */
#ifndef FORMAT_CONVERT_CORE_H
#define FORMAT_CONVERT_CORE_H

#include "format/convert/thaw.h"

/* ELF, with the pages that are in the image. What is left to files is named, not copied, but for the first
 * page of each that is still the recorded one, which has its build-id. */
image_conversion image_core __attribute__((warn_unused_result));

#endif
