/* The same image with its pages ready to be mapped, or compressed. */
#ifndef FORMAT_CONVERT_THAW_H
#define FORMAT_CONVERT_THAW_H

#include "format/image/writer.h"

/* The image needs its page data in memory. On an error of these its failed_section and failed_index tell
 * where. Each page is decoded once. */
typedef enum snapimg_error image_conversion(struct snapimg *image, snapimg_sink *sink, void *context);

/* A thawed image with the same pages, which names this one as its source. */
image_conversion image_thaw __attribute__((warn_unused_result));
/* The same, for who starts from the file before it is on the disk: to be used in this boot only (UNSYNCED).
 * Where the kernel tells none: SNAPIMG_ERR_SINK, and nothing is written. */
image_conversion image_thaw_unsynced __attribute__((warn_unused_result));
/* A frozen one, as it was made. */
image_conversion image_freeze __attribute__((warn_unused_result));

#endif
