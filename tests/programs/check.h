/* For small programs that know their own answer: exit 0 passed, 1 failed (with the line that did), 77
 * skipped. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);              \
			exit(1);                                                                             \
		}                                                                                            \
	} while (0)

#define SKIP(reason)                                                                                         \
	do {                                                                                                 \
		puts("skipped: " reason);                                                                    \
		exit(77);                                                                                    \
	} while (0)

/* The point of a program that is frozen at path:/snap/here; harmless without the tool. */
static inline void snapshot_point(void)
{
	CHECK(access("/snap/here", F_OK) != 0);
}

#endif
