/* Which memory of an image is to be mapped from its thawed copy. */
#ifndef FORMAT_CONVERT_THAW_PLAN_H
#define FORMAT_CONVERT_THAW_PLAN_H

#include "format/convert/page_data.h"
#include "format/image/reader.h"

struct address_range {
	uint64_t start, end;
};

/* A list that grows. */
struct address_ranges {
	struct address_range *range; /* malloc'ed */
	size_t count;
};

struct planned_piece {
	uint64_t start, end; /* from the start of a run, or of a part of one, to the end of another */
	uint32_t mapping;
};

struct thaw_plan {
	struct planned_piece *piece; /* sorted by address; malloc'ed, freed by thaw_plan_free */
	size_t count;
	struct address_ranges kept; /* pages that are in no piece, as the C library calls mremap(2) itself */
};

/* Visits all page data of the image. On an error of these its failed_section and failed_index tell where. */
enum snapimg_error thaw_plan_make(struct page_data *data, struct thaw_plan *ret_plan)
        __attribute__((warn_unused_result));
void thaw_plan_free(struct thaw_plan *plan);

enum snapimg_error address_ranges_add(struct address_ranges *ranges, uint64_t start, uint64_t end)
        __attribute__((warn_unused_result));

/* chunks.c: looks in the pages of one run for the heads of glibc's mmapped chunks (which mremap(2) may move)
 * in the mapping, and notes the pages that must stay anonymous for them. */
enum snapimg_error chunks_find(const struct snapimg_mapping *mapping, const struct snapimg_run *run,
                               const uint8_t *pages, struct address_ranges *found)
        __attribute__((warn_unused_result));

#endif
