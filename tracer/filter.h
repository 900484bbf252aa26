/*
 * The seccomp filter of the target: stops it at the calls that a point is
 * interested in and at no other. It is made for one point before the program
 * runs, and all its descendants inherit it.
 */
#ifndef TRACER_FILTER_H
#define TRACER_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILTER_MAX = 400 };

struct filter {
	struct sock_filter code[FILTER_MAX];
	unsigned short length; /* 0: no filter is wanted */
};

/* Begins an empty filter, which lets pass what is not a 64-bit call. */
void filter_begin(struct filter *filter);
/* Stops at every call of this number. */
void filter_trace(struct filter *filter, int number);
/* Stops at prctl(option, ...). */
void filter_trace_prctl(struct filter *filter, uint32_t option);
/* Ends it: all else passes. */
void filter_end(struct filter *filter);

/* In the child before exec: installs it. Sets no_new_privs, and then *ret_no_new_privs, only where the
 * kernel asks for it (a caller without CAP_SYS_ADMIN, seccomp(2)). Returns 0 or -1 with errno. */
int filter_install(const struct filter *filter, bool *ret_no_new_privs) __attribute__((warn_unused_result));

#endif
