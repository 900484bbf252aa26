/*
 * What snaptrace inherited from whoever called it. The target began with the
 * same, so a difference seen later is the target's own doing.
 */
#ifndef TRACER_CALLER_H
#define TRACER_CALLER_H

#include <stdbool.h>
#include <sys/resource.h>

#include "format/base/proc.h"
#include "format/image/layout.h"

struct caller_descriptor {
	int number;
	char *link;       /* as readlink(2) of /proc/self/fd/N */
	struct text info; /* /proc/self/fdinfo/N */
	bool is_terminal;
	uint8_t modes[SNAPIMG_TERMIOS_SIZE]; /* of a terminal: struct termios2 */
};

struct caller {
	bool attached;        /* the target did not begin with this at all: it ran before (-p) */
	bool fixed_addresses; /* he has not, but --reproducible has set ADDR_NO_RANDOMIZE (personality(2)) */
	uint32_t personality;
	struct text status; /* /proc/self/status at the start */
	uint64_t ignored_signals;
	uint64_t timer_slack_ns;
	int subreaper;
	struct rlimit limit[RLIM_NLIMITS];
	struct caller_descriptor *descriptor; /* sorted by number */
	size_t descriptor_count;
};

/* Filled by snapshot_remember_caller(), read-only afterwards; lives as long as snaptrace. */
extern struct caller the_caller;

/* Whether a line of /proc/PID/status is as it was in his. */
bool caller_has_same(const struct text *status, const char *key);
/* A personality as /proc shows it, without what is not the program's own. */
uint32_t caller_personality(const char *text);
/* What /proc/self/fdinfo/NUMBER was before the program began; NULL: it is not known, or was not open. */
const struct text *caller_info(int number);
/* The modes of a terminal, as the kernel's struct termios2. */
bool terminal_modes(int descriptor, uint8_t ret_modes[SNAPIMG_TERMIOS_SIZE]);
/* Those that the caller's descriptor had before the program began; NULL: not known, or no terminal. */
const uint8_t *caller_modes(int number);
/* Where it led to, as readlink(2) of /proc/PID/fd tells; "" if it was not open. */
const char *caller_link(int number);

#endif
