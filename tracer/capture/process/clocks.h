/* What the clocks show at the point. */
#ifndef TRACER_CAPTURE_PROCESS_CLOCKS_H
#define TRACER_CAPTURE_PROCESS_CLOCKS_H

#include "format/image/layout.h"
#include "format/image/writer.h"
#include "tracer/capture/refuse.h"

void clocks_read(const struct subject *subject, struct snapimg_clocks *ret_clocks);
enum snapimg_error clocks_write(const struct subject *subject, const struct snapimg_clocks *clocks,
                                struct snapimg_writer *writer);

#endif
