/*
 * What test programs check with. CHECK ends the program at the first thing that
 * is not so; EXPECT tells it, counts it and goes on, so that the program ends
 * with `return check_result();`. Exit 0 passed, 1 failed, 77 skipped.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures __attribute__((unused)); /* of EXPECT */

/* With what errno says, if it says anything. */
static inline void check_tell(const char *file, int line, const char *condition)
{
	int error = errno;

	fprintf(stderr, "%s:%d: not so: %s%s%s\n", file, line, condition, error ? ": " : "",
	        error ? strerror(error) : "");
}

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			check_tell(__FILE__, __LINE__, #condition);                                          \
			exit(1);                                                                             \
		}                                                                                            \
	} while (0)

#define EXPECT(condition)                                                                                    \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			check_tell(__FILE__, __LINE__, #condition);                                          \
			failures++;                                                                          \
		}                                                                                            \
	} while (0)

/* For loops: says which round failed. */
#define EXPECT_AT(condition, ...)                                                                            \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			check_tell(__FILE__, __LINE__, #condition);                                          \
			fprintf(stderr, "  in " __VA_ARGS__);                                                \
			fputc('\n', stderr);                                                                 \
			failures++;                                                                          \
		}                                                                                            \
	} while (0)

static inline int check_result(void)
{
	if (failures > 0)
		fprintf(stderr, "%d checks failed\n", failures);
	return failures > 0;
}

#define SKIP(reason)                                                                                         \
	do {                                                                                                 \
		puts("skipped: " reason);                                                                    \
		exit(77);                                                                                    \
	} while (0)

/* The point of a program that is frozen at path:/snap/here; harmless without the tool. */
static inline void snapshot_point(void)
{
	CHECK(access("/snap/here", F_OK) != 0);
	errno = 0;
}

#endif
