/* long thread_start(stack_top, tid, function, argument): see thread_x86_64.h */
#include <asm/unistd_64.h>

/* CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | PARENT_SETTID | CHILD_CLEARTID */
#define FLAGS 0x00350f00

	.globl thread_start
	.type thread_start, @function
thread_start:
	lea -16(%rdi), %r8
	mov %rdx, (%r8)         /* the child finds function and argument on its stack */
	mov %rcx, 8(%r8)
	mov %rsi, %rdx          /* parent_tid */
	mov %rsi, %r10          /* child_tid */
	mov %r8, %rsi
	mov $FLAGS, %edi
	mov $__NR_clone, %eax
	syscall
	test %rax, %rax
	jnz 1f
	xor %ebp, %ebp
	pop %rax
	pop %rdi
	call *%rax
	xor %edi, %edi
	mov $__NR_exit, %eax
	syscall
	ud2
1:	ret
	.size thread_start, . - thread_start

/* long thread_clone(flags, stack, parent_tid, child_tid, tls): see thread_x86_64.h */
	.globl thread_clone
	.type thread_clone, @function
thread_clone:
	mov %rcx, %r10
	mov $__NR_clone, %eax
3:	syscall
	test %rax, %rax
	jnz 1f
	xor %ebp, %ebp
	pop %rax
	pop %rdi
	and $-16, %rsp
	call *%rax
	ud2
1:	ret
	.size thread_clone, . - thread_clone

/* long thread_clone3(arguments, size): see thread_x86_64.h */
	.globl thread_clone3
	.type thread_clone3, @function
thread_clone3:
	mov $__NR_clone3, %eax
	jmp 3b
	.size thread_clone3, . - thread_clone3

	.section .note.GNU-stack, "", @progbits
