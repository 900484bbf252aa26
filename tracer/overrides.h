/* What the caller wants to become of descriptors, whatever they are at the point. */
#ifndef TRACER_OVERRIDES_H
#define TRACER_OVERRIDES_H

#include <stdbool.h>
#include <stddef.h>

#include "format/base/message.h"

enum { OVERRIDES_MAX = 64 };

enum override_kind { OVERRIDE_CLOSE, OVERRIDE_NULL, OVERRIDE_INHERIT, OVERRIDE_FILE };

struct overrides {
	struct override {
		int number;
		enum override_kind kind;
		const char *file; /* of OVERRIDE_FILE */
	} fd[OVERRIDES_MAX];
	size_t count;
	bool tcp_reset; /* connected TCP sockets: the restored end finds the connection reset; else refused */
};

/* --fd N=close|null|inherit|file:PATH, of which the last for a number counts; borrows the text. */
enum status overrides_add(struct overrides *overrides, const char *text) __attribute__((warn_unused_result));
/* --tcp refuse|reset */
enum status overrides_read_tcp(const char *text, bool *ret_reset) __attribute__((warn_unused_result));
/* NULL: none for this number. */
const struct override *overrides_find(const struct overrides *overrides, int number);

#endif
