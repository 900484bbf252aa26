/*
 * snap.h: for programs that choose their own snapshot point.
 *
 *     #include <snap.h>
 *     ...load everything...
 *     if (snap_here())
 *             use(snap_argc(), snap_argv());   // restored: new arguments
 *
 * Needs no library: a program built with it runs normally without snaptrace,
 * static or dynamic, with any libc, in C (C11) and C++ (C++11).
 * SNAP_AT=here snaptrace prog freezes it.
 */
#ifndef SNAP_H
#define SNAP_H

#include <errno.h>

#include "snaptrace/contract.h"

#if !defined(__x86_64__)
#error "snap.h: not made for this architecture yet"
#endif

/* The shim makes these same functions for all that can't include a header. */
#ifndef SNAP_API
#define SNAP_API static inline
#endif

enum { SNAP_CALLBACKS_MAX = 32 }; /* of one translation unit */

/* Only the shim has some. */
#ifndef SNAP_GENERATORS
#define SNAP_GENERATORS 0 /* also where NULL is not known */
#endif

/* The loader fills every such block of a process. */
static struct snap_resume snap_resume_block
        __attribute__((section(SNAP_RESUME_SECTION), used, aligned(8))) = {
                SNAP_CONTRACT_VERSION, 0, 0, 0, 0, 0, SNAP_GENERATORS, 0};

/* The block changes where the compiler sees no code that does it. */
static inline volatile struct snap_resume *snap_resume_now(void)
{
	volatile struct snap_resume *block = &snap_resume_block;

	__asm__ volatile("" : "+r"(block) : : "memory");
	return block;
}

/* The point `here`. Returns 1 in a restored program, 0 when the program just goes on: not traced, or not
 * frozen at this point. */
SNAP_API int snap_here(void)
{
	register long fourth __asm__("r10") = 0;
	register long fifth __asm__("r8") = 0;
	long result;

	__asm__ volatile("syscall" /* prctl(2), by number: no libc is needed */
	                 : "=a"(result)
	                 : "a"(157L), "D"((long)SNAP_MARKER), "S"((long)SNAP_REQUEST_HERE),
	                   "d"((long)SNAP_CONTRACT_VERSION), "r"(fourth), "r"(fifth)
	                 : "rcx", "r11", "memory");
	return result == SNAP_RESUMED;
}

/* How many restores this process has been through: 0 before the first. */
SNAP_API int snap_restored(void)
{
	return (int)snap_resume_now()->restored;
}

/* The arguments and the environment that the restored program was started with; 0 and NULL before the first
 * restore, when they are main's own. The memory is the process's, for good. */
SNAP_API int snap_argc(void)
{
	return (int)snap_resume_now()->argc;
}

SNAP_API char **snap_argv(void)
{
	return snap_resume_now()->argv;
}

SNAP_API char **snap_envp(void)
{
	return snap_resume_now()->envp;
}

/* Has function(argument) called after each restore, before the program goes on; the newest first; with all
 * signals blocked. For what must not be the same twice: random seeds, ids, times, caches of the pid.
 * Returns 0, or ENOMEM when SNAP_CALLBACKS_MAX are registered. Not thread-safe. */
SNAP_API int snap_on_restore(void (*function)(void *argument), void *argument)
{
	static struct snap_callback callbacks[SNAP_CALLBACKS_MAX];
	static unsigned count;
	volatile struct snap_resume *block = snap_resume_now();
	struct snap_callback *callback;

	if (count == SNAP_CALLBACKS_MAX)
		return ENOMEM;
	callback = &callbacks[count++];
	callback->function = function;
	callback->argument = argument;
	callback->next = block->callbacks;
	block->callbacks = callback;
	return 0;
}

#endif
