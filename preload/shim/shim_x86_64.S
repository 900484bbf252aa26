/* What __libc_start_main calls in place of main: contract.h, SNAP_MAIN_MAGIC. main's three arguments and
 * the stack are left as they are. */
	.text
	.globl	snap_main
	.hidden	snap_main
	.type	snap_main, @function
	.weak	environ
snap_main:
	.cfi_startproc
	endbr64
	mov	snap_main_magic(%rip), %rax
	mov	environ@GOTPCREL(%rip), %r10
	mov	snap_contract_version(%rip), %r11
	int3
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
	mov	snap_main_magic(%rip), %rax
	mov	environ@GOTPCREL(%rip), %r10
	mov	snap_contract_version(%rip), %r11
	int3
	mov	%rdi, (%rcx)
	mov	%rsi, 8(%rcx)
	ret
	.cfi_endproc
	.size	snap_begin, . - snap_begin

	.section .note.GNU-stack, "", @progbits
