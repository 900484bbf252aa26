/* Memory that the kernel shares with the program: which object each mapping of it belongs to. */
#ifndef TRACER_CAPTURE_RINGS_H
#define TRACER_CAPTURE_RINGS_H

#include "tracer/capture/capture.h"

/* When descriptors and mappings have their last records. */
enum status rings_settle(struct captures *captures) __attribute__((warn_unused_result));

/* memory/aio.c: an asynchronous I/O context becomes an object. */
enum status aio_take(struct capture *capture, struct mapping *mapping) __attribute__((warn_unused_result));

#endif
