/* Pages of files that are in the image instead: written to the file from which mappings.c maps them. */
#ifndef RESTORE_BUILD_EMBEDDED_H
#define RESTORE_BUILD_EMBEDDED_H

#include <stdbool.h>
#include <stdint.h>

#include "format/image/layout.h"

/* Where the last search ended: extents are in the order of their addresses. Begins as zeros. */
struct embedded_cursor {
	uint32_t mapping; /* index */
	uint64_t offset;  /* of its content in the file */
};

/* The runs of an extent that is OF_FILES, from its bytes. False: nothing, or not all, was written. */
bool embedded_write(struct embedded_cursor *cursor, const struct snapimg_extent *extent,
                    const struct snapimg_run *run, const uint8_t *bytes);

#endif
