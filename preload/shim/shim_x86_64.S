#include <asm/unistd_64.h>

/* What the tracer knows the point by: contract.h, SNAP_MAIN_MAGIC. */
	.macro	marker
	mov	snap_main_magic(%rip), %rax
	mov	environ@GOTPCREL(%rip), %r10
	mov	snap_contract_version(%rip), %r11
	int3
	.endm

/* What __libc_start_main calls in place of main. main's three arguments and the stack are left as they are. */
	.text
	.globl	snap_main
	.hidden	snap_main
	.type	snap_main, @function
	.weak	environ
snap_main:
	.cfi_startproc
	endbr64
	marker
	jmp	*snap_real_main(%rip)
	.cfi_endproc
	.size	snap_main, . - snap_main

/* void snap_begin(argc, argv, envp, struct snap_begun *): the same marker, as if main began; and what the
 * registers of its first two arguments are after it. */
	.globl	snap_begin
	.hidden	snap_begin
	.type	snap_begin, @function
snap_begin:
	.cfi_startproc
	endbr64
	marker
	mov	%rdi, (%rcx)
	mov	%rsi, 8(%rcx)
	ret
	.cfi_endproc
	.size	snap_begin, . - snap_begin

/* long syscall(long number, ...): what it may be needed for goes to calls.c, with the same arguments; all else
 * to the C library's, or where there is none yet, to the kernel. */
	.globl	syscall
	.type	syscall, @function
syscall:
	.cfi_startproc
	endbr64
	cmpl	$0, 4+snap_mapped_table(%rip) /* `count` of struct snap_mapped */
	je	1f
	cmp	$__NR_madvise, %rdi
	je	2f
	cmp	$__NR_mremap, %rdi
	je	2f
	cmp	$__NR_process_madvise, %rdi
	je	2f
	cmp	$__NR_mprotect, %rdi
	je	2f
	cmp	$__NR_ioctl, %rdi
	je	2f
1:	mov	snap_real(%rip), %rax
	test	%rax, %rax
	jz	3f
	jmp	*%rax
2:	jmp	snap_watched_syscall
3:	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	mov	%rax, %rdi
	jmp	snap_give
	.cfi_endproc
	.size	syscall, . - syscall

	.section .note.GNU-stack, "", @progbits
