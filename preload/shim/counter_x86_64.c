/* What a function does, by its code. */
#include <asm/errno.h>
#include <asm/unistd.h>
#include <stddef.h>

#include <linux/signal.h> /* up to Linux 5.13 it needs size_t */

#include "preload/shim/process_maps.h"
#include "preload/shim/random.h"

enum {
	CODE_MAX = 16,
	PROBE = 8,
	NO_SUCH_HOW = 99,
	INC = 0xff,
	ADD = 0x83,
	LOCK = 0xf0,
	WIDE = 0x48,
	RET = 0xc3
};

/* The library may be gone. A set of signals is read before what is to be done with it (kernel/signal.c). */
static bool can_read(uint64_t address)
{
	return shim_call(__NR_rt_sigprocmask, NO_SUCH_HOW, address, 0, PROBE, 0, 0) != -EFAULT;
}

/* One `inc` or `add $1` of a variable, locked or not, and a return. */
bool snap_only_counts(uint64_t function)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	enum { DISPLACEMENT = 4, BY_ADDRESS = 0x05 /* ModRM: what follows is from %rip; operation 0 */ };
	const uint8_t *code = (const uint8_t *)function;
	unsigned at = 0;
	uint8_t operation;

	if (!can_read(function) || !can_read(function + CODE_MAX - PROBE))
		return false;
	while (at < sizeof(endbr64) && code[at] == endbr64[at])
		at++;
	if (at != 0 && at != sizeof(endbr64))
		return false;
	if (code[at] == LOCK)
		at++;
	if (code[at] == WIDE)
		at++;
	operation = code[at++];
	if ((operation != INC && operation != ADD) || code[at++] != BY_ADDRESS)
		return false;
	at += DISPLACEMENT;
	if (operation == ADD && code[at++] != 1)
		return false;
	return code[at] == RET;
}
