/* Puts the pages of an image into new extents: what thawing and freezing have in common. */
#ifndef FORMAT_CONVERT_REPACK_H
#define FORMAT_CONVERT_REPACK_H

#include <stdbool.h>

#include "format/base/compressor.h"
#include "format/convert/page_data.h"
#include "format/convert/thaw_plan.h"
#include "format/image/writer.h"

struct decode_into;

struct repack_options {
	const struct thaw_plan *plan; /* the pieces to make; NULL: none */
	bool compress;                /* what is in no piece */
	enum codec codec;
	int level;                               /* 0: as the size has it */
	const struct snapimg_unsynced *unsynced; /* of the file that is written; NULL: it will be synced */
	const struct decode_into *into;          /* the page data go straight there; NULL: through the sink */
};

/* Whether an image's page data can go straight into the file. */
bool repack_can_decode_into(const struct snapimg *image);

/* Writes the image again: all that is in it but for how its pages are stored. With a plan it is named as the
 * SOURCE. On an error of the old image's data, its failed_section and failed_index tell where. *ret_number:
 * why SNAPIMG_ERR_SINK, with `into`; 0: the sink knows. */
enum snapimg_error repack(struct page_data *data, const struct repack_options *options, snapimg_sink *sink,
                          void *context, int *ret_number) __attribute__((warn_unused_result));

#endif
