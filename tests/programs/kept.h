/* What the ways to keep an ID share: points at which a program has it nowhere else. */
#ifndef TESTS_PROGRAMS_KEPT_H
#define TESTS_PROGRAMS_KEPT_H

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "../check.h"

/* What other functions left on the stack is nobody's. */
static __attribute__((noinline, unused)) void scrub(void)
{
	volatile char below[2048];

	for (unsigned i = 0; i < sizeof below; i++)
		below[i] = 0;
}

/* Nor what is left in registers that no function keeps for its caller. */
static inline void lose_registers(void)
{
	__asm__ volatile("xor %%ecx, %%ecx\n\txor %%edx, %%edx\n\txor %%esi, %%esi\n\txor %%edi, %%edi\n\t"
	                 "xor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\txor %%r10d, %%r10d\n\txor %%r11d, %%r11d"
	                 :
	                 :
	                 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
}

static __attribute__((noinline, unused)) void stand_at_point(void)
{
	scrub();
	lose_registers();
	snapshot_point();
}

/* First where that function's own frame will be, of which it writes only a part. */
static inline __attribute__((always_inline)) void point(void)
{
	scrub();
	stand_at_point();
}

static inline pid_t gettid_now(void)
{
	return (pid_t)syscall(SYS_gettid);
}

/* kept_locks.c: held locks, which have their holder's ID. */
void keep_plain(void), keep_errorcheck(void), keep_recursive(void), keep_inheriting(void),
        keep_inheriting_recursive(void), keep_robust(void), keep_robust_recursive(void),
        keep_robust_inheriting(void), keep_rwlock(void), keep_thread(void);

#endif
