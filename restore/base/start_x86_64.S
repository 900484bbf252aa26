/*
 * The entry point. The kernel's first stack lies where the program's stack
 * may have to go, so the loader leaves it at once for one in its .bss.
 */
	.globl _start
	.type _start, @function
_start:
	xor %ebp, %ebp
	mov %rsp, %rdi
	lea loader_stack_top(%rip), %rsp
	call loader_main
	ud2
	.size _start, . - _start

	.bss
	.balign 4096
	.globl loader_stack
loader_stack:
	.skip 40960 /* the deepest are the decoder and the runs of an extent (fill.c) */
	.globl loader_stack_top
loader_stack_top:

	.section .note.GNU-stack, "", @progbits
