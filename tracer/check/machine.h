/* What of this machine snaptrace and snaprun need or make use of: --check. */
#ifndef TRACER_CHECK_MACHINE_H
#define TRACER_CHECK_MACHINE_H

#include <stdbool.h>

enum { MACHINE_TEXT_MAX = 256 };

/* One thing that was tried here. */
struct machine_fact {
	const char *name;
	bool works;
	bool is_needed;              /* without it no image is made or started */
	char text[MACHINE_TEXT_MAX]; /* what was found, and what it means if it doesn't work; "": nothing */
};

/* The next thing after `index` facts were asked for, tried now; false when there are no more. It changes
 * nothing: what is tried is tried in a child. */
bool machine_try(unsigned index, struct machine_fact *ret_fact);

#endif
