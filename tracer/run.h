/* One run of snaptrace: what it is to do, and how far it is. */
#ifndef TRACER_RUN_H
#define TRACER_RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "tracer/options.h"
#include "tracer/points/filter.h"
#include "tracer/points/point.h"
#include "tracer/warm/launcher.h"
#include "tracer/warm/warm.h"

/* How far a run is; it only goes forward. */
enum phase {
	PHASE_BEFORE,    /* no point was met yet; or there is none, and everything is only followed */
	PHASE_REACHED,   /* the image is written (or was refused and the program goes on) */
	PHASE_RELEASING, /* the same, and every thread is let go at its next stop */
};

struct run {
	const struct options *options;
	const char *output;   /* the image's path */
	char *const *program; /* what is executed: PROG and its arguments, or with a helper between them */
	struct warm_run warm;
	struct launcher launcher;         /* --launcher: the one that is being made */
	struct options *launcher_options; /* the same options, for the words that it makes absolute */
	char *shim;                       /* its absolute path; NULL: none is needed */
	struct points points;
	struct call_rules own_calls; /* those that snaptrace itself must see */
	struct filter filter;        /* of all calls that must stop; length 0: none */
	bool filter_is_needed;       /* else it may be missing */
	bool filter_missing;
	bool every_call; /* they are looked for among all calls instead: the program is to go on without us */
	char trigger[256];    /* what was met, in words */
	bool is_unreadable;   /* a call's path was in memory that the kernel doesn't show us */
	unsigned long passed; /* points met and passed over: see --skip */
	enum phase phase;
	enum status outcome; /* PHASE_RELEASING: what snaptrace ends with */
	pid_t root;          /* the process that PROG was started in, or that was attached to */
	int launch_report;   /* what its child has to say before it is PROG; see launch.h */
	bool filter_set_no_new_privs;
	bool chosen;    /* a process that points count in was seen: see --in */
	bool stops_all; /* a point is met: what is answered still until all stand meets none */
	bool root_ended;
	int root_end;            /* wait status */
	double began;            /* monotonic seconds */
	bool looked[POINTS_MAX]; /* --check: whether the point of this index was looked at */
};

/* Whether there is a point at all: without one everything is only followed. */
static inline bool run_has_points(const struct run *run)
{
	return run->points.count > 0;
}

/* Whether an event of this process can still be a point. */
bool run_wants(const struct run *run, const struct tracee *tracee);

/* A point is met: true if it counts, false if --skip passes over it. */
bool run_counts(struct run *run, const struct tracee *tracee, const struct point *point);

#endif
