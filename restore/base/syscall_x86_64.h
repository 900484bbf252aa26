/*
 * Raw system calls: no libc, no errno. Each returns what the kernel returned,
 * -errno on failure (syscall(2), arch/x86/entry/entry_64.S).
 */
#ifndef RESTORE_BASE_SYSCALL_X86_64_H
#define RESTORE_BASE_SYSCALL_X86_64_H

#include <asm/unistd.h>
#include <stdint.h>

static inline long syscall6(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                            uint64_t f)
{
	long result;
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

/* sys(NUMBER, arguments...): pointers and integers alike, missing arguments are 0. */
#define SYS_ARG(x) ((uint64_t)(x))
#define SYS_7(n, a, b, c, d, e, f, ...)                                                                      \
	syscall6(n, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), SYS_ARG(d), SYS_ARG(e), SYS_ARG(f))
#define sys(...) SYS_7(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

#endif
