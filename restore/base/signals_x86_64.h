/* The kernel's own structures of rt_sigaction(2) and rt_sigreturn(2) on x86-64, which no libc-free
 * header gives in full (arch/x86/include/uapi/asm/{signal,sigcontext,ucontext}.h). */
#ifndef RESTORE_BASE_SIGNALS_X86_64_H
#define RESTORE_BASE_SIGNALS_X86_64_H

#include <stdint.h>

enum { SIGNAL_SET_SIZE = 8, SIGNAL_BUS = 7, SIGNAL_COUNT = 64 };
#define SIGNAL_FLAG_RESTORER 0x04000000ull
#define SIGNAL_FLAG_ON_STACK 0x08000000ull

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

struct kernel_sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate; /* address of the XSAVE area, 64-aligned */
	uint64_t reserved[8];
};

struct kernel_ucontext {
	uint64_t flags;
	uint64_t link;
	uint64_t stack_address;
	uint32_t stack_flags, stack_padding;
	uint64_t stack_size;
	struct kernel_sigcontext registers;
	uint64_t mask;
};
#define UCONTEXT_FP_XSTATE 1 /* fpstate has an XSAVE area */
#define UCONTEXT_SS        2 /* the ss field is meant */
#define UCONTEXT_STRICT_SS 4 /* ... and restored as it is */

/* The software-reserved words at byte 464 of the FXSAVE area, which tell sigreturn that all of XSAVE
 * follows; FP_XSTATE_MAGIC2 must stand after the area. */
enum { XSTATE_SOFTWARE_OFFSET = 464 };
struct kernel_xstate_software {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};
#define XSTATE_MAGIC1 0x46505853u
#define XSTATE_MAGIC2 0x46505845u

#endif
