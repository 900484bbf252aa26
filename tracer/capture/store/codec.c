#include "tracer/capture/store/codec.h"

#include "tracer/capture/memory/plan.h"

/* Levels that are asked for where size counts more than time. With extents of 1 MiB, a Python's image of
 * level 19 is as small as the same memory compressed in one piece; with less it is 4 % larger. */
enum { LEVEL_DENSE = 13 };

uint32_t codec_job_pages(const struct snapshot_output *output)
{
	return output->level >= LEVEL_DENSE ? JOB_PAGES_MAX : JOB_PAGES;
}

/*
 * By the number of pages:
 *   - up to 64 KiB are stored raw: starting the decoder takes longer than reading them;
 *   - more get the level at which compression keeps up with a disk (measured on a Python's memory of 12 MiB
 * with 2 processors: level 3 is written in 25 ms, 4 in 37 ms and 3 % smaller, 12 in 320 ms and 6 % smaller;
 * a start from level 12 saves 0.7 ms of 8);
 *   - up to 32 MiB have no short matches, which are decoded at every start: that saves 0.2 ms there, and
 * costs 1 % of the size. Under 1 MiB it gains nothing.
 */
void codec_choose(struct snapshot_output *output, uint64_t pages)
{
	enum { RAW_PAGES = 16, SMALL_PAGES = 256, LARGE_PAGES = 8192, LEVEL = 3, LEAST_MATCH = 6 };

	if (output->may_be_raw && pages <= RAW_PAGES)
		output->compress = false;
	if (output->level != 0)
		return;
	output->level = LEVEL;
	if (pages > SMALL_PAGES && pages <= LARGE_PAGES)
		output->least_match = LEAST_MATCH;
}
