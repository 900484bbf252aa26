/* Inside convert/ and snapimg: the pages of an image, decoded by all processors and visited in order. */
#ifndef FORMAT_CONVERT_PAGE_DATA_H
#define FORMAT_CONVERT_PAGE_DATA_H

#include <stdbool.h>
#include <stddef.h>

#include "format/image/reader.h"

struct decode_ahead;

struct page_data {
	struct snapimg *image;
	struct decode_ahead *ahead; /* NULL: not begun */
};

/* For an image with its page data in memory (IMAGE_WHOLE), which is borrowed. */
enum snapimg_error page_data_open(struct page_data *data, struct snapimg *image)
        __attribute__((warn_unused_result));
void page_data_close(struct page_data *data);

/* The next visit is soon: its first extents are decoded while something else is done. */
void page_data_expect(struct page_data *data);

/* Whether this is one standard frame with content size (raw_size, at most SNAPIMG_EXTENT_MAX) and checksum,
 * no more and no less. */
bool page_data_is_frame(const uint8_t *frame, size_t size, size_t raw_size)
        __attribute__((warn_unused_result));

/* Is given each run of an image in order, with its pages; NULL for ZERO. */
typedef enum snapimg_error page_visitor(void *context, const struct snapimg_run *run, const uint8_t *pages);

/* Visits all runs. Each extent is checked and decoded. On an error of the image's data,
 * failed_section and failed_index of the image tell where. */
enum snapimg_error page_data_visit(struct page_data *data, page_visitor *visit, void *context)
        __attribute__((warn_unused_result));

#endif
