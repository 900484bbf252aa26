#include "format/base/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIRST_AFTER 0.5
#define EVERY       0.1
enum { BAR = 40 };

static const char *shown_as; /* NULL: nobody asked */

void progress_show_as(const char *tool)
{
	shown_as = tool;
}

bool progress_is_shown(void)
{
	return shown_as != NULL;
}

bool progress_was_long(double start)
{
	return monotonic_seconds() - start >= FIRST_AFTER;
}

double monotonic_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

struct progress progress_begin(bool wanted, uint64_t total)
{
	return (struct progress){.wanted = wanted && total, .total = total, .start = monotonic_seconds()};
}

void progress_update(struct progress *progress, uint64_t done)
{
	char bar[BAR + 1];

	if (!progress->wanted)
		return;
	double now = monotonic_seconds();
	if (now - progress->start < FIRST_AFTER || now - progress->last < EVERY)
		return;
	progress->last = now;
	progress->shown = true;
	memset(bar, ' ', BAR);
	memset(bar, '=', (size_t)(done * BAR / progress->total));
	bar[BAR] = '\0';
	fprintf(stderr, "\r%s: [%s] %3u %%", shown_as ? shown_as : "snaptrace", bar,
	        (unsigned int)(done * 100 / progress->total));
	fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr); /* to the line's beginning, clear it: ECMA-48 EL */
	progress->shown = false;
}
