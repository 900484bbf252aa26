/* What the programs that check themselves after a restore have in common. */
#ifndef TESTS_EXPECT_H
#define TESTS_EXPECT_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"

static inline void marker(void)
{
	access("/snap/here", F_OK);
	errno = 0;
}

static inline int need(int fd)
{
	if (fd < 0) {
		perror("cannot get there");
		_exit(77);
	}
	return fd;
}

static inline bool reads(int fd, const char *text)
{
	char bytes[256];
	ssize_t got = read(fd, bytes, sizeof(bytes));
	return got == (ssize_t)strlen(text) && memcmp(bytes, text, strlen(text)) == 0;
}

static inline bool writes(int fd, const char *text)
{
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static inline bool would_block(int fd)
{
	char bytes[256]; /* one signal's record is the largest unit */
	return read(fd, bytes, sizeof(bytes)) < 0 && errno == EAGAIN;
}

#endif
