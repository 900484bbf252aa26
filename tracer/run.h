/* One run of snaptrace: what it is to do, and how far it is. */
#ifndef TRACER_RUN_H
#define TRACER_RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "options.h"
#include "point.h"

struct run {
	const struct options *options;
	const char *output; /* the image's path */
	char *shim;         /* its absolute path */
	struct point point;
	char trigger[256]; /* what was met, in words */
	pid_t root;        /* the process that PROG was started in */
	int launch_report; /* what its child has to say before it is PROG; see launch.h */
	bool filter_set_no_new_privs;
	bool selected; /* a process that the point applies to was seen: see --in */
	bool root_ended;
	int root_end; /* wait status */
	bool reached; /* the image is written */
};

#endif
