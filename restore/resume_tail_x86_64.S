#include <asm/unistd_64.h>

/* prctl(2) */
#define PR_SET_MM 35
#define PR_SET_MM_MAP 14
#define MM_MAP_SIZE 104

/*
 * The code that stays: it takes the loader away and becomes the program.
 * Position-independent, for it runs from a copy in the resume area.
 *   rdi, rsi: the zone's start and size
 *   rdx: the ucontext, which is what rt_sigreturn finds at the stack pointer
 *        (arch/x86/kernel/signal_64.c)
 *   rbx: a descriptor of the program's executable, for /proc/self/exe, or -1.
 *        The kernel takes it once nothing of the old one is mapped any more
 *        (EBUSY, kernel/sys.c).
 *   rbp: the struct prctl_mm_map that has this descriptor
 */
	.section .rodata
	.globl resume_tail, resume_tail_end
resume_tail:
	mov %rdx, %rsp
	mov $__NR_munmap, %eax
	syscall
	test %ebx, %ebx
	js 1f
	mov $PR_SET_MM, %edi
	mov $PR_SET_MM_MAP, %esi
	mov %rbp, %rdx
	mov $MM_MAP_SIZE, %r10d
	xor %r8d, %r8d
	mov $__NR_prctl, %eax
	syscall
	mov %ebx, %edi
	mov $__NR_close, %eax
	syscall
1:	mov $__NR_rt_sigreturn, %eax
	syscall
	ud2
resume_tail_end:

	.text
	.globl resume_jump
	.type resume_jump, @function
resume_jump:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	mov %r8d, %ebx
	mov %r9, %rbp
	jmp *%rax
	.size resume_jump, . - resume_jump

/* void resume_call(function, argument, stack_top) */
	.globl resume_call
	.type resume_call, @function
resume_call:
	push %rbp
	mov %rsp, %rbp
	mov %rdx, %rsp
	and $-16, %rsp
	mov %rdi, %rax
	mov %rsi, %rdi
	call *%rax
	mov %rbp, %rsp
	pop %rbp
	ret
	.size resume_call, . - resume_call

	.section .note.GNU-stack, "", @progbits
