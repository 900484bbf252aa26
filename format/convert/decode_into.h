/* Inside convert/: page data decoded by all processors, straight to their places in a new file. */
#ifndef FORMAT_CONVERT_DECODE_INTO_H
#define FORMAT_CONVERT_DECODE_INTO_H

#include <stddef.h>

#include "format/convert/image_file.h"

/* An extent of the new image, all of whose pages come from one extent of the old. */
struct placed_extent {
	uint32_t from; /* index of the old one */
	uint32_t kind; /* RAW, MAPPED, or ZERO: nothing is written */
	uint32_t raw_size, stored_size;
	uint64_t offset, checksum; /* the checksum is found here */
	size_t run_first;
	uint32_t run_count;
};

/* In the order of the old image: the pages of those that come from one old extent follow each other in it. */
struct placed_extents {
	struct placed_extent *extent; /* malloc'ed, as are the runs */
	size_t count;
	struct snapimg_run *run;
	size_t run_count;
};
void placed_extents_free(struct placed_extents *placed);

struct decode_into {
	struct image_file *from;
	int to;
};

/* Reads, checks and decodes the page data, and writes them where they are placed; what is not written must
 * read as zeros. Finds the checksums. On an error of the image's data its failed_section and failed_index
 * tell where; SNAPIMG_ERR_SINK: the file can't be written, *ret_number is why. */
enum snapimg_error decode_into(const struct decode_into *way, struct placed_extents *placed, int *ret_number)
        __attribute__((warn_unused_result));

#endif
