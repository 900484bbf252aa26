/* Writes an image again with other records of one kind, all else as it is: no page is decoded. */
#ifndef FORMAT_CONVERT_REWRITE_H
#define FORMAT_CONVERT_REWRITE_H

#include "format/image/writer.h"

/* `records` (borrowed, `size` bytes; 0: none) take the place of the section `type`, which must not be one
 * that holds pages or strings. The image needs its page data in memory. */
enum snapimg_error snapimg_rewrite(const struct snapimg *image, enum snapimg_section_type type,
                                   const void *records, size_t size, snapimg_sink *sink, void *context)
        __attribute__((warn_unused_result));

#endif
