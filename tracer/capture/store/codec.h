/* How pages are stored, where nobody said. */
#ifndef TRACER_CAPTURE_STORE_CODEC_H
#define TRACER_CAPTURE_STORE_CODEC_H

#include <stdint.h>

#include "tracer/capture/snapshot.h"

/* How many pages one extent of the image may have. To be asked before the pages are counted. */
uint32_t codec_job_pages(const struct snapshot_output *output);

/* Sets what output leaves open. */
void codec_choose(struct snapshot_output *output, uint64_t pages);

#endif
