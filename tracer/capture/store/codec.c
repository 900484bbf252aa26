#include "tracer/capture/store/codec.h"

#include "tracer/capture/memory/plan.h"

/* Levels that are asked for where size counts more than time. With extents of 1 MiB, a Python's image of
 * level 19 is as small as the same memory compressed in one piece; with less it is 4 % larger. */
enum { LEVEL_DENSE = 13 };

uint32_t codec_job_pages(const struct snapshot_output *output)
{
	return output->settings.level >= LEVEL_DENSE ? JOB_PAGES_MAX : JOB_PAGES;
}

/* Up to 64 KiB are stored raw: starting the decoder takes longer than reading them. */
void codec_choose(struct snapshot_output *output, uint64_t pages)
{
	enum { RAW_PAGES = 16 };

	if (output->may_be_raw && pages <= RAW_PAGES)
		output->compress = false;
	output->settings = compressor_choose(output->settings.codec, output->settings.level, pages);
}
