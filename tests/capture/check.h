/* A test program checks, counts, and ends with `return check_result();`. */
#ifndef TESTS_CAPTURE_CHECK_H
#define TESTS_CAPTURE_CHECK_H

#include <stdio.h>

static unsigned int check_failures;

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);            \
			check_failures++;                                                                    \
		}                                                                                            \
	} while (0)

static inline int check_result(void)
{
	if (check_failures > 0)
		fprintf(stderr, "%u checks failed\n", check_failures);
	return check_failures > 0;
}

#endif
