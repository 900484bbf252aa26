/* A copy of a descriptor that the target itself sends, where pidfd_getfd(2) is denied, as in containers. */
#ifndef TRACER_CAPTURE_FDS_PASSING_H
#define TRACER_CAPTURE_FDS_PASSING_H

#include <stdint.h>

#include "tracer/capture/process/state.h"

struct passing {
	const struct remote *remote; /* with its scratch page */
	int here;                    /* our socket; -1: not opened yet, -2: it can't be had */
	int64_t there;               /* the target's */
};

/* A copy, or -1 with errno. */
int passing_copy(struct passing *passing, int number);
/* Takes the socket away from the target. */
enum status passing_end(struct passing *passing) __attribute__((warn_unused_result));

#endif
