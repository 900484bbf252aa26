/* What the programs of memory.py share: each mode of theirs gets into a state, is frozen at the marker, and
 * checks itself after it. */
#ifndef TESTS_CAPTURE_MEMORY_H
#define TESTS_CAPTURE_MEMORY_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "modes.h"

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE, FUTURE_WRITE = 0x10 /* F_SEAL_FUTURE_WRITE, Linux 5.1 */ };

static inline void marker(void)
{
	access("/snap/here", F_OK);
}

static inline void skip(const char *what)
{
	perror(what);
	_exit(77);
}

static inline char *checked(void *memory)
{
	if (memory == MAP_FAILED)
		skip("mmap");
	return memory;
}

static inline char *anonymous(size_t size, int flags)
{
	return checked(mmap(NULL, size, RW, MAP_SHARED | MAP_ANONYMOUS | flags, -1, 0));
}

static inline char *map(int fd, size_t size, int protection, off_t offset)
{
	return checked(mmap(NULL, size, protection, MAP_SHARED, fd, offset));
}

/* The same memory once more. */
static inline char *again(char *memory, size_t size)
{
	return checked(mremap(memory, 0, size, MREMAP_MAYMOVE));
}

static inline int memfd(const char *name, off_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, size) < 0)
		skip("memfd_create");
	return fd;
}

static sigjmp_buf caught;
static inline void catch (int number)
{
	siglongjmp(caught, number);
}

/* The signal that reading there raises, or 0. */
static inline int reading(const volatile char *at)
{
	signal(SIGBUS, catch);
	signal(SIGSEGV, catch);
	int number = sigsetjmp(caught, 1);
	return number ? number : (void)*at, number;
}

static inline bool same_memory(volatile char *one, volatile char *two)
{
	char before = *one;
	*one = (char)(before + 1);
	bool same = *two == (char)(before + 1);
	*two = before;
	return same && *one == before;
}

#endif
