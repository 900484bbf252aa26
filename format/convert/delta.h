/*
 * Deltas: what makes one image of another. The pages of both are compared as
 * they are decoded, and the new image is made again byte for byte. See
 * "Deltas" in FORMAT.md.
 */
#ifndef FORMAT_CONVERT_DELTA_H
#define FORMAT_CONVERT_DELTA_H

#include <stdbool.h>

#include "format/image/writer.h"

enum delta_error {
	DELTA_OK,
	DELTA_NO_MEMORY,
	DELTA_SINK,       /* the output could not be written */
	DELTA_BASE_DATA,  /* the base's page data are damaged */
	DELTA_IMAGE_DATA, /* the new image's are */
	DELTA_NOT_A_DELTA,
	DELTA_NEWER, /* of a later version */
	DELTA_DAMAGED,
	DELTA_OTHER_BASE, /* it was made for another image */
	DELTA_OTHER_ZSTD, /* this zstd makes other frames than the new image has */
	DELTA_ERRORS
};
/* "it is damaged"; for a message. */
const char *delta_strerror(enum delta_error error);

/* Writes what makes `image` of `base`; both with their page data in memory (IMAGE_WHOLE). */
enum delta_error delta_make(const struct snapimg *base, const struct snapimg *image, snapimg_sink *sink,
                            void *context) __attribute__((warn_unused_result));
/* Writes the new image, checked as a whole, to the sink. */
enum delta_error delta_apply(const struct snapimg *base, const uint8_t *delta, size_t size,
                             snapimg_sink *sink, void *context) __attribute__((warn_unused_result));

#endif
