/*
 * Keeps brk(2) from being used before the snapshot, where it can be kept from
 * it inside the process: brk() and sbrk() for those who call them, and the hook
 * of glibc before 2.34, through which its malloc asks for more core. A newer
 * malloc calls sbrk inside the library, where nothing can come between; for it,
 * for raw system calls and for static programs there is the tracer's guard page
 * (tracer/follow/exec_stop.c). What is refused here is what the guard would refuse,
 * but without a system call, and also where the guard found no room.
 * After a restore all of it works again.
 */
#include <asm/unistd.h>
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include "preload/shim/process_maps.h"
#include "preload/shim/shim.h"

#define SNAP_EXPORT __attribute__((visibility("default")))
SNAP_EXPORT int brk(void *end);
SNAP_EXPORT void *sbrk(intptr_t increment);

#pragma weak dlsym
#pragma weak __errno_location

typedef void *more_core(ptrdiff_t increment);
extern more_core *__morecore __attribute__((weak));

static more_core *real_more_core;

static bool is_refused(void)
{
	return snap_armed && snap_restored() == 0;
}

static int refuse(void)
{
	if (__errno_location)
		*__errno_location() = ENOMEM;
	return -1;
}

int brk(void *end)
{
	int (*real)(void *);

	if (is_refused() && end > sbrk(0))
		return refuse();
	*(void **)(void *)&real = dlsym(RTLD_NEXT, "brk");
	return real(end);
}

/* An allocator may ask where the break is while it begins, with its lock held; dlsym(3) of glibc before 2.34
 * would ask it for memory. */
void *sbrk(intptr_t increment)
{
	void *(*real)(intptr_t);

	if (increment == 0)
		return (void *)shim_call(__NR_brk, 0, 0, 0, 0, 0, 0);
	if (is_refused() && increment > 0)
		return (void *)(intptr_t)refuse();
	*(void **)(void *)&real = dlsym(RTLD_NEXT, "sbrk");
	return real(increment);
}

/* NULL is the hook's failure; malloc then takes memory by mmap. */
static void *more_core_after_restore(ptrdiff_t increment)
{
	return is_refused() && increment > 0 ? NULL : real_more_core(increment);
}

void snap_refuse_brk(void)
{
	if (!&__morecore || real_more_core)
		return;
	real_more_core = __morecore;
	__morecore = more_core_after_restore;
}
