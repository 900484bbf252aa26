/* What the caller wants to become of descriptors, whatever they are at the point. */
#ifndef TRACER_OVERRIDES_H
#define TRACER_OVERRIDES_H

#include <stdbool.h>
#include <stddef.h>

#include "format/base/message.h"

enum { POLICIES_MAX = 64 };

enum policy_kind { POLICY_CLOSE, POLICY_NULL, POLICY_INHERIT, POLICY_FILE };

struct policies {
	struct policy {
		int number;
		enum policy_kind kind;
		const char *file; /* of POLICY_FILE */
	} fd[POLICIES_MAX];
	size_t count;
	bool tcp_reset; /* connected TCP sockets: the restored end finds the connection reset; else refused */
};

/* --fd N=close|null|inherit|file:PATH, of which the last for a number counts; borrows the text. */
enum status policies_add(struct policies *policies, const char *text) __attribute__((warn_unused_result));
/* --tcp refuse|reset */
enum status policies_read_tcp(const char *text, bool *ret_reset) __attribute__((warn_unused_result));
/* NULL: none for this number. */
const struct policy *policies_find(const struct policies *policies, int number);

#endif
