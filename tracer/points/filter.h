/*
 * The seccomp filter of the target: stops it at the calls that rules name and
 * at no other. It is made before the program runs, for the points and the log
 * that were asked for, and all its descendants inherit it.
 */
#ifndef TRACER_POINTS_FILTER_H
#define TRACER_POINTS_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "format/base/message.h"
#include "tracer/points/call_rules.h"

struct filter {
	struct sock_filter *code;
	unsigned short length, room;
};

/* Compiles the rules: a binary search for the call's number, then the conditions of that call's rules. What
 * is not a 64-bit call passes. Fails where the kernel's limit of instructions (BPF_MAXINSNS) is too small. */
enum status filter_make(const struct call_rules *rules, struct filter *ret_filter)
        __attribute__((warn_unused_result));
void filter_free(struct filter *filter);

/* In the child before exec: installs it. Sets no_new_privs, and then *ret_no_new_privs, only where the
 * kernel asks for it (a caller without CAP_SYS_ADMIN, seccomp(2)). Returns 0 or -1 with errno. */
int filter_install(const struct filter *filter, bool *ret_no_new_privs) __attribute__((warn_unused_result));

#endif
