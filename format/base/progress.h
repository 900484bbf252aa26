/* A bar on the terminal while a dump or a conversion lasts. */
#ifndef FORMAT_BASE_PROGRESS_H
#define FORMAT_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool wanted, shown;
	uint64_t total;
	double start, last; /* seconds, CLOCK_MONOTONIC */
};

/* Seconds of CLOCK_MONOTONIC. */
double monotonic_seconds(void);

/* A tool whose errors go to a terminal: what its conversions do is shown there, under its name. */
void progress_show_as(const char *tool);
/* Whether that is so. */
bool progress_is_shown(void);
/* Whether what began then (monotonic seconds) has lasted so long that somebody will have waited for it. */
bool progress_was_long(double start);

struct progress progress_begin(bool wanted, uint64_t total);
/* Cheap enough to be called often; shows nothing in the first half second. */
void progress_update(struct progress *progress, uint64_t done);
/* Takes the bar away again. */
void progress_end(struct progress *progress);

#endif
