/* What the program had read of its surroundings, as its run has noted it. */
#ifndef TRACER_CAPTURE_INPUTS_H
#define TRACER_CAPTURE_INPUTS_H

#include "format/image/writer.h"
#include "tracer/capture/snapshot.h"

enum snapimg_error inputs_write(const struct snapshot_request *request, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));

#endif
