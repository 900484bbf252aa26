/* Parts of mappings, mapped together where they follow each other in one file. */
#ifndef RESTORE_BUILD_PARTS_H
#define RESTORE_BUILD_PARTS_H

#include "restore/loader.h"

struct source {
	int descriptor; /* -1: anonymous memory */
	uint64_t flags; /* of mmap(2), beside those that the mapping's own make */
	uint64_t offset;
};

struct part {
	const struct snapimg_mapping *mapping; /* that it belongs to */
	const struct snapimg_piece *piece;     /* of the image that has it; NULL: it is no piece */
	struct range range;
	uint32_t protection;
	struct source source;
};

/* Maps it over what is there, or leaves that to parts_complete(): its descriptor must stay open until then.
 * Ends the start where it can't be mapped. */
void part_map(const struct part *part);
/* Maps what waits. */
void parts_complete(void);

#endif
