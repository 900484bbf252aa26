/* What the unit tests of the tracer's pure parts check with: the first thing that isn't so ends the test. */
#ifndef TESTS_TRACER_CHECK_H
#define TESTS_TRACER_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                       \
			exit(1);                                                                             \
		}                                                                                            \
	} while (0)

#endif
