/* Which zeros of a MAPPED extent are written, and which are holes. */
#include "format/image/writer.h"

enum { HOLE_MIN = 4 }; /* pages: to write fewer takes less time than a call more */

bool snapimg_stretch_next(const struct snapimg_run *runs, uint32_t run_count, struct snapimg_stretch *stretch)
{
	bool is_begun = false;

	for (; stretch->next < run_count; stretch->next++) {
		const struct snapimg_run *run = &runs[stretch->next];
		uint64_t at = run->address - runs[0].address;

		if (run->kind != SNAPIMG_RUN_DATA)
			continue;
		if (is_begun && at - stretch->end > HOLE_MIN * SNAPIMG_PAGE_SIZE)
			return true;
		if (!is_begun)
			stretch->start = at;
		stretch->end = at + (uint64_t)run->pages * SNAPIMG_PAGE_SIZE;
		is_begun = true;
	}
	return is_begun;
}
