#include "tracer/follow/noted_made.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>

#include "tracer/made.h"
#include "tracer/ptrace/memory.h"

/* Where the name begins and where it stands, in one number: addresses of programs have 47 bits. */
enum { ADDRESS_BITS = 47 };

static bool pack(int64_t directory, uint64_t address, uint64_t *ret_argument)
{
	*ret_argument = (uint64_t)directory << ADDRESS_BITS | address;
	return directory >= INT16_MIN && directory <= INT16_MAX && address >> ADDRESS_BITS == 0;
}

bool of_directory(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	return pack(AT_FDCWD, call->argument[0], ret_argument);
}

bool of_directory_at(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	return pack((int32_t)call->argument[0], call->argument[1], ret_argument);
}

void note_directory(const struct tracee *tracee, uint64_t argument, int64_t result)
{
	const uint64_t address = argument & ((UINT64_C(1) << ADDRESS_BITS) - 1);
	char path[PATH_MAX];

	(void)result;
	if (tracee_read_string(tracee->tid, address, path, sizeof(path)) > 0)
		made_note_directory(tracee->tid, (int)((int64_t)argument >> ADDRESS_BITS), path);
}

bool of_file(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	(void)call;
	*ret_argument = 0;
	return true;
}

void note_file(const struct tracee *tracee, uint64_t argument, int64_t fd)
{
	(void)argument;
	made_note_file(tracee->tid, (int)fd);
}
