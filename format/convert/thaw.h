/* The same image with its pages ready to be mapped, or compressed. */
#ifndef FORMAT_CONVERT_THAW_H
#define FORMAT_CONVERT_THAW_H

#include "format/base/output_file.h"
#include "format/convert/image_file.h"
#include "format/image/writer.h"

/* The image needs its page data in memory. On an error of these its failed_section and failed_index tell
 * where. Each page is decoded once. */
typedef enum snapimg_error image_conversion(struct snapimg *image, snapimg_sink *sink, void *context);

/* A thawed image with the same pages, which names this one as its source. */
image_conversion image_thaw __attribute__((warn_unused_result));
/* The same of an image of which only the records need be in memory, into a file: by all processors, straight
 * to its places. unsynced: for who starts from it before it is on the disk, to be used in this boot only
 * (UNSYNCED); where the kernel tells none, SNAPIMG_ERR_SINK, and nothing is written. */
enum snapimg_error image_thaw_into(struct image_file *file, struct output_file *output, bool unsynced)
        __attribute__((warn_unused_result));
/* Whether the image needs its page data in memory for that all the same (image_file_read_data). */
bool image_thaw_needs_data(const struct snapimg *image);
/* A frozen one, as it was made. */
image_conversion image_freeze __attribute__((warn_unused_result));

#endif
