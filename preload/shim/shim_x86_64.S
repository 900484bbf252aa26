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

	.section .note.GNU-stack, "", @progbits
