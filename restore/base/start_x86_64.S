#include <asm/unistd.h>

#define MADV_POPULATE_WRITE 23
#define EFAULT 14
#define EXIT_REFUSED 125

/* What is used at the top of the stack. */
#define STACK_USED 8192

/* In one call instead of a fault for each page: from the page of `start` up to `end`. */
.macro populate start, end
	lea \start(%rip), %rdi
	and $-4096, %rdi
	lea \end(%rip), %rsi
	sub %rdi, %rsi
	mov $MADV_POPULATE_WRITE, %edx
	mov $__NR_madvise, %eax
	syscall
.endm

/*
 * The entry point. The kernel's first stack lies where the program's stack
 * may have to go, so the loader leaves it at once for one in its .bss.
 *
 * A runnable file may be cut off before its loader ends, at its data. To
 * populate those tells (madvise(2); since Linux 5.14), where a touch would end
 * in SIGBUS. For that this lies before all other code: the linker puts these
 * sections first.
 */
	.section .text.unlikely, "ax", @progbits
	.globl _start
	.type _start, @function
_start:
	xor %ebp, %ebp
	mov %rsp, %r12
	populate loader_written_start, loader_stack
	cmp $-EFAULT, %rax
	je cut_off
	populate loader_stack_top-STACK_USED, loader_stack_top
	mov %r12, %rdi
	lea loader_stack_top(%rip), %rsp
	call loader_main
	ud2
cut_off:
	mov $2, %edi
	lea cut_off_text(%rip), %rsi
	mov $cut_off_size, %edx
	mov $__NR_write, %eax
	syscall
	mov $EXIT_REFUSED, %edi
	mov $__NR_exit_group, %eax
	syscall
cut_off_text:
	.ascii "snaprun: the file is cut off, in the loader that begins it: fetch it again\n"
	.set cut_off_size, . - cut_off_text
	.size _start, . - _start

	.bss
	.balign 4096
	.globl loader_stack
loader_stack:
	.skip 40960 /* the deepest are the decoder and the runs of an extent (fill.c) */
	.globl loader_stack_top
loader_stack_top:

	.section .note.GNU-stack, "", @progbits
