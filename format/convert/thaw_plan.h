/* Which memory of an image is to be mapped from its thawed copy. */
#ifndef FORMAT_CONVERT_THAW_PLAN_H
#define FORMAT_CONVERT_THAW_PLAN_H

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
	const struct snapimg *image; /* whose plan it is */
	bool is_watched;             /* the shim sees what the program does to anonymous memory */
	struct address_ranges kept;  /* pages that are in no piece */
};

/* Reads no page data. */
enum snapimg_error thaw_plan_make(struct snapimg *image, struct thaw_plan *ret_plan)
        __attribute__((warn_unused_result));
/* Whether memory of the mapping may be mapped from a piece, its own one or another process's. */
bool thaw_plan_allows(const struct thaw_plan *plan, const struct snapimg_mapping *mapping);
void thaw_plan_free(struct thaw_plan *plan);

#endif
