/*
 * An image in parts, for registries, which keep what is equal once: images of one program, or of programs
 * with the same libraries, have many equal parts. Put one after the other the parts are the image.
 */
#ifndef FORMAT_CONVERT_PARTS_H
#define FORMAT_CONVERT_PARTS_H

#include <stdbool.h>

#include "format/image/reader.h"

struct parts {
	uint64_t *end; /* of each, an offset in the image; the first begins at 0; owned */
	size_t count;
};

/* False: out of memory. */
bool parts_find(const struct snapimg *image, struct parts *ret_parts) __attribute__((warn_unused_result));
void parts_free(struct parts *parts);

#endif
