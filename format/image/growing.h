/* Inside the writer: byte arrays that grow, and strings stored once. */
#ifndef FORMAT_IMAGE_GROWING_H
#define FORMAT_IMAGE_GROWING_H

#include "format/image/error.h"
#include "format/image/layout.h"

struct growing {
	uint8_t *bytes; /* malloc'ed, the owner's to free; NULL while empty */
	size_t size;
	size_t capacity;
};

/* Appends a copy. SNAPIMG_ERR_MEMORY leaves the array as it was. */
enum snapimg_error growing_append(struct growing *array, const void *bytes, size_t size)
        __attribute__((warn_unused_result));

/* Open addressing over offsets into the array that holds the strings; 0 is a free slot. */
struct intern_table {
	uint32_t *slots; /* malloc'ed, the owner's to free */
	uint32_t capacity;
	uint32_t used;
};

/* The offset of `text`, which is not empty, in `strings`; appended when it is new. SNAPIMG_ERR_LIMIT: no
 * 32-bit offset is left. */
enum snapimg_error intern(struct intern_table *table, struct growing *strings, const char *text,
                          uint32_t *ret_offset) __attribute__((warn_unused_result));

#endif
