#include "restore/look/in_memory.h"

#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>

#include "restore/base/limits.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"

enum { BLOCK = 64 << 10 };

static _Noreturn void die_memory(const char *path, long result)
{
	die(EXIT_REFUSED, path, ": no memory to hold the image: ", error_text(result));
}

/* Copies all that the descriptor has to give into memory that nobody can change any more, and closes it. */
int in_memory_take(const char *path, int from)
{
	static uint8_t block[BLOCK];
	long memory = sys(__NR_memfd_create, "image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0)
		die_memory(path, memory);
	uint64_t size = 0, limit = limit_raise(RLIMIT_FSIZE);
	for (;;) {
		long got = sys(__NR_read, from, block, sizeof block);
		if (got == -EINTR)
			continue;
		if (got < 0)
			die(EXIT_UNREADABLE, path, ": cannot read the image: ", error_text(got));
		if (got == 0)
			break;
		size += (uint64_t)got;
		long put = size > limit ? -EFBIG : sys(__NR_write, memory, block, got);
		if (put != got)
			die_memory(path, put < 0 ? put : -ENOSPC);
	}
	sys(__NR_close, from);
	sys(__NR_fcntl, memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return (int)memory;
}
