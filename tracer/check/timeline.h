/* What --check saw of the program: when it came to each point, and what a dump there would have said. */
#ifndef TRACER_CHECK_TIMELINE_H
#define TRACER_CHECK_TIMELINE_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "format/base/message.h"
#include "tracer/points/point.h"

/* From now on what is told belongs to the point that is looked at, until timeline_add(). */
void timeline_listen(void);

struct look {
	const struct point *point;
	pid_t pid;
	char name[16]; /* of the process, as ps shows it */
	double saved;  /* seconds that a start from there saves */
	enum status status;
	uint32_t threads;
	uint64_t pages;
};
/* Notes a look, with what was told since timeline_listen(). */
enum status timeline_add(struct look look) __attribute__((warn_unused_result));

/* Writes what the machine has, and if a program was run, its points: the met ones in their order. `asked` is
 * how many of the first points the caller asked for by name, `end` how the program ended. Returns the exit
 * status: that of the asked ones, or of all. */
enum status timeline_report(const struct points *points, unsigned asked, const char *end, bool json,
                            FILE *out) __attribute__((warn_unused_result));

/* The points that --check adds to those that were asked for, NULL after the last. */
extern const char *const timeline_points[];

#endif
