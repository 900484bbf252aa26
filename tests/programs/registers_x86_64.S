/*
 * struct state (see registers.c): 32 vector registers of 64 bytes, then 8 mask registers, x87 control word, MXCSR.
 * load_and_stop(in, out, level): loads every register from `in`, calls stop_here, stores every register into `out`.
 * level: 1 SSE, 2 AVX, 3 AVX-512. Between the loads and the stores nothing runs but stop_here's ret, so a register
 * that comes back otherwise was lost at the point.
 */
#define MASKS 2048
#define X87_CONTROL 2112
#define MXCSR 2116
#define X87_VALUE 2120
#define GENERAL 2128
#define FLAGS 2256
#define ID_AND_NT 0x204000 /* flags that no other instruction changes, nor rt_sigreturn */

	.text
	.globl load_and_stop
	.type load_and_stop, @function
load_and_stop:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rsi
	push	%rdx
	fldcw	X87_CONTROL(%rdi)
	ldmxcsr	MXCSR(%rdi)
	fldl	X87_VALUE(%rdi)
	cmp	$2, %edx
	je	.Lload_avx
	ja	.Lload_avx512
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movups	\n*64(%rdi), %xmm\n
	.endr
	jmp	.Lgeneral
.Lload_avx:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovups	\n*64(%rdi), %ymm\n
	.endr
	jmp	.Lgeneral
.Lload_avx512:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovups	\n*64(%rdi), %zmm\n
	.endr
	.irp	n, 0,1,2,3,4,5,6,7
	kmovw	MASKS+\n*8(%rdi), %k\n
	.endr
.Lgeneral:
	mov	GENERAL+8(%rdi), %rbx
	mov	GENERAL+16(%rdi), %rbp
	mov	GENERAL+24(%rdi), %r8
	mov	GENERAL+32(%rdi), %r9
	mov	GENERAL+40(%rdi), %r10
	mov	GENERAL+48(%rdi), %r11
	mov	GENERAL+56(%rdi), %r12
	mov	GENERAL+64(%rdi), %r13
	mov	GENERAL+72(%rdi), %r14
	mov	GENERAL+80(%rdi), %r15
	mov	GENERAL+88(%rdi), %rcx
	mov	GENERAL+96(%rdi), %rdx
	mov	GENERAL+104(%rdi), %rsi
	mov	GENERAL(%rdi), %rax
	mov	GENERAL+112(%rdi), %rdi
	pushfq
	orq	$ID_AND_NT | 1, (%rsp)
	popfq
	call	stop_here
	/* The stack holds: level, out, ... Everything else is what stop_here's caller must find again. */
	push	%rdi
	mov	16(%rsp), %rdi
	mov	%rax, GENERAL(%rdi)
	setc	%al
	mov	%al, GENERAL+120(%rdi)
	pushfq
	mov	(%rsp), %rax
	mov	%rax, FLAGS(%rdi)
	andq	$~ID_AND_NT, (%rsp)
	popfq
	pop	%rax
	mov	%rax, GENERAL+112(%rdi)
	mov	%rbx, GENERAL+8(%rdi)
	mov	%rbp, GENERAL+16(%rdi)
	mov	%r8, GENERAL+24(%rdi)
	mov	%r9, GENERAL+32(%rdi)
	mov	%r10, GENERAL+40(%rdi)
	mov	%r11, GENERAL+48(%rdi)
	mov	%r12, GENERAL+56(%rdi)
	mov	%r13, GENERAL+64(%rdi)
	mov	%r14, GENERAL+72(%rdi)
	mov	%r15, GENERAL+80(%rdi)
	mov	%rcx, GENERAL+88(%rdi)
	mov	%rdx, GENERAL+96(%rdi)
	mov	%rsi, GENERAL+104(%rdi)
	fstpl	X87_VALUE(%rdi)
	fnstcw	X87_CONTROL(%rdi)
	stmxcsr	MXCSR(%rdi)
	pop	%rdx
	cmp	$2, %edx
	je	.Lstore_avx
	ja	.Lstore_avx512
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movups	%xmm\n, \n*64(%rdi)
	.endr
	jmp	.Ldone
.Lstore_avx:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovups	%ymm\n, \n*64(%rdi)
	.endr
	vzeroupper
	jmp	.Ldone
.Lstore_avx512:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovups	%zmm\n, \n*64(%rdi)
	.endr
	.irp	n, 0,1,2,3,4,5,6,7
	kmovw	%k\n, MASKS+\n*8(%rdi)
	.endr
	vzeroupper
.Ldone:
	pop	%rsi
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	fninit
	ret
	.size load_and_stop, . - load_and_stop

	.globl stop_here
	.type stop_here, @function
stop_here:
	ret
	.size stop_here, . - stop_here

	.section .note.GNU-stack, "", @progbits
