/* What the caller wants to become of descriptors, whatever they are at the point. */
#ifndef TRACER_OVERRIDES_H
#define TRACER_OVERRIDES_H

#include <stdbool.h>
#include <stddef.h>

#include "format/base/message.h"
#include "format/facts/command_line.h"

struct overrides {
	struct override fd[OVERRIDES_MAX];
	size_t count;
	bool tcp_reset; /* connected TCP sockets: the restored end finds the connection reset; else refused */
};

/* --fd N=close|null|inherit|file:PATH, of which the last for a number counts; borrows the text. */
enum status overrides_add(struct overrides *overrides, const char *text) __attribute__((warn_unused_result));
/* NULL: none for this number. */
const struct override *overrides_find(const struct overrides *overrides, int number);

#endif
