/* What the kernel holds for a process, in which its ID may be. */
#ifndef TRACER_CAPTURE_IDENTITY_OUTSIDE_H
#define TRACER_CAPTURE_IDENTITY_OUTSIDE_H

#include "tracer/capture/fds/objects.h"
#include "tracer/capture/process/timers.h"

struct kept_outside {
	const struct objects *objects;
	const struct snapimg_descriptor *descriptors;
	size_t descriptors_count;
	const struct timers *timers;
	const char *directory; /* "": the caller's */
	const struct proc_stat *process;
	bool has_common_parent; /* it asked for its parent's ID, which is too small to be looked for */
};

#endif
