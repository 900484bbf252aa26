/* One run of a restored program, to see which pages it uses. */
#ifndef TRACER_HOT_HOT_RUN_H
#define TRACER_HOT_HOT_RUN_H

#include "tracer/hot/ranges.h"

struct hot_run {
	const char *snaprun; /* its path */
	char **arguments;    /* of snaprun, with argv[0] and NULL */
	bool silent;         /* its standard streams are /dev/null */
	double timeout;      /* seconds until the look, 0: at its end */
	int wait_status;     /* how it ended */
	bool looked;         /* false: it became another program first, or was never at its end */
	/* Pages of private mappings: its own, and all that are present. */
	struct ranges written, present;
};

/* Runs it to its end; a signal that ends us ends it, too. */
enum status hot_run(struct hot_run *run) __attribute__((warn_unused_result));

#endif
