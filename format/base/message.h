/*
 * How the tracer speaks and fails. A function that can fail returns an enum
 * status; the one who finds the error prints its line with fail() and returns
 * fail()'s value, and every caller only hands it on:
 *
 *     if ((status = snapshot_take(&request)) != STATUS_OK)
 *             return status;
 */
#ifndef FORMAT_BASE_MESSAGE_H
#define FORMAT_BASE_MESSAGE_H

#include <stdbool.h>

/* The exit statuses of snaptrace are the error codes of its functions. */
enum status {
	STATUS_OK = 0,
	STATUS_REFUSED = -1,     /* what was looked at has had its line; never leaves the capture: refuse.h */
	STATUS_ENDED = 1,        /* the program ended before the point */
	STATUS_TIMED_OUT = 124,  /* --timeout, as timeout(1) */
	STATUS_FAILED = 125,     /* the tool itself failed, or refused */
	STATUS_CANNOT_RUN = 126, /* PROG was found but cannot be run */
	STATUS_NOT_FOUND = 127,  /* PROG was not found */
};

enum verbosity { QUIET = -1, NORMAL = 0, VERBOSE = 1 };
void message_set_verbosity(enum verbosity verbosity);

/* Prints "snaptrace: what: where: what to do" (one line, printf style, newline added). Errors are printed
 * even under -q. */
void message_error(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* While it is set: called before an error is printed; true where it has printed the reason for it, which
 * stands for the error then. */
extern bool (*message_reason)(void);

/* message_error(), and has the value error. A macro, so that the compiler and the analyser see in every
 * caller that what comes back isn't STATUS_OK. */
#define fail(error, ...) (message_error(__VA_ARGS__), (enum status)(error))

/* While it is set: what would be an error's or tell()'s line is given to it, without the tool's name. */
extern void (*message_taker)(const char *line);

/* For -v. */
void explain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Unless -q: the summary line and warnings. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
