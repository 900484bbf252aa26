#include <asm/unistd_64.h>

/* prctl(2) */
#define PR_SET_MM 35
#define PR_SET_MM_MAP 14
#define MM_MAP_SIZE 104
#define MM_MAP_EXE 100
#define EXECUTABLE 104 /* struct memory_marks (loader.h) */

#define AS_VFORK 0x4100 /* CLONE_VM | CLONE_VFORK, and no signal at its end */
#define WAIT_ALL 0x40000000 /* __WALL */
#define AT_FDCWD -100
#define OPEN_FLAGS 0x80000 /* O_RDONLY | O_CLOEXEC */

/* struct crew (threads_x86_64.h) */
#define PARKED 0
#define WANTED 4
#define STAGE 8
#define OTHERS 12
#define GONE 16
#define YIELDS_MAX (1 << 21) /* seconds: a thread that is not back by then runs a handler that does not end */
#define STAGE_RUN 2
#define CAPABILITY_DATA 8 /* struct capability_sets (capabilities.h) */
#define UCONTEXT_LINK 8 /* struct kernel_ucontext (signals_x86_64.h): sigreturn does not read it */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

/* munmap(rdi, rsi), and then mmap(rdi, r15, PROT_NONE, r14, -1, 0). */
.macro take_away
	mov $__NR_munmap, %eax
	syscall
	test %r14d, %r14d
	jz 7f
	mov %r15, %rsi
	xor %edx, %edx
	mov %r14d, %r10d
	mov $-1, %r8
	xor %r9d, %r9d
	mov $__NR_mmap, %eax
	syscall
7:
.endm

/* The frame at the stack pointer becomes the thread's state. The kernel leaves some flags as they are (FIX_EFLAGS,
 * arch/x86/kernel/signal_64.c): those are set here. */
.macro become_frame
	lea UCONTEXT_LINK(%rsp), %rsp
	popfq
	lea -UCONTEXT_LINK-8(%rsp), %rsp
	mov $__NR_rt_sigreturn, %eax
	syscall
	ud2
.endm

.macro set_memory_map
	mov $PR_SET_MM, %edi
	mov $PR_SET_MM_MAP, %esi
	mov %rbp, %rdx
	mov $MM_MAP_SIZE, %r10d
	xor %r8d, %r8d
	mov $__NR_prctl, %eax
	syscall
.endm

/*
 * The code that stays: it takes the loader away and becomes the program.
 * Position-independent, for it runs from a copy in the resume area.
 *   rdi, rsi: the loader's memory, start and size
 *   rdx: the ucontext, which is what rt_sigreturn finds at the stack pointer
 *        (arch/x86/kernel/signal_64.c)
 *   rbx: a descriptor of the program's executable, for /proc/self/exe, or -1.
 *        The kernel takes it once nothing of the old one is mapped any more
 *        (EBUSY, kernel/sys.c).
 *   rbp: the struct memory_marks, whose map has this descriptor; or the name of the file, for where no other
 *        process may see a descriptor of it: one opens it that has the same memory, but its own descriptors
 *   r12: the struct crew, or 0 where there is one thread
 *   r13: what capset(2) takes, header and data, or 0
 *   r14: 0, or flags of mmap(2): then r15 bytes of the loader's memory become
 *        a reservation of the program's
 */
	.section .rodata
	.globl resume_tail, resume_tail_park, resume_tail_end
resume_tail:
	mov %rdx, %rsp
	take_away
	test %ebx, %ebx
	js 1f
	set_memory_map
	mov %ebx, %edi
	mov $__NR_close, %eax
	syscall
1:	cmpq $0, EXECUTABLE(%rbp)
	je 8f
	mov $AS_VFORK, %edi
	xor %esi, %esi                /* on this stack, which neither uses */
	mov $__NR_clone, %eax
	syscall
	test %eax, %eax
	js 8f
	jz 9f
	mov %eax, %edi
	xor %esi, %esi
	mov $WAIT_ALL, %edx
	xor %r10d, %r10d
	mov $__NR_wait4, %eax
	syscall
8:	test %r13, %r13
	jz 6f
	mov %r13, %rdi
	lea CAPABILITY_DATA(%r13), %rsi
	mov $__NR_capset, %eax
	syscall
	test %eax, %eax
	jz 6f
	ud2                           /* giving up what one has can't fail */
6:	test %r12, %r12
	jz 4f
	movl $STAGE_RUN, STAGE(%r12)  /* the others are the program from here on */
	lea STAGE(%r12), %rdi
	mov $FUTEX_WAKE, %esi
	mov $0x7fffffff, %edx
	mov $__NR_futex, %eax
	syscall
	xor %ebx, %ebx
	mov $YIELDS_MAX, %r15d
2:	cmp OTHERS(%r12), %ebx        /* see threads_x86_64.h */
	jae 4f
	mov GONE(%r12), %rax
	cmpb $0, (%rax,%rbx)
	jne 5f
	dec %r15d
	jz 4f
	mov $__NR_sched_yield, %eax
	syscall
	jmp 2b
5:	inc %ebx
	jmp 2b
4:	become_frame
9:	mov $AT_FDCWD, %rdi
	mov EXECUTABLE(%rbp), %rsi
	mov $OPEN_FLAGS, %edx
	mov $__NR_openat, %eax
	syscall
	test %eax, %eax
	js 1f
	mov %eax, MM_MAP_EXE(%rbp)
	set_memory_map
1:	xor %edi, %edi
	mov $__NR_exit, %eax
	syscall
	ud2

/* A thread of the crew waits here until it may run: r12: the crew, rbp: its ucontext, r13, r14: its list of
 * robust locks, or 0, and the size of that. The kernel marks the locks in the list when a thread ends
 * (kernel/futex, exit_robust_list), so it has none before. */
resume_tail_park:
	mov $1, %eax
	lock xadd %eax, PARKED(%r12)
	inc %eax
	cmp WANTED(%r12), %eax
	jne 1f
	lea PARKED(%r12), %rdi
	mov $FUTEX_WAKE, %esi
	mov $1, %edx
	mov $__NR_futex, %eax
	syscall
1:	mov STAGE(%r12), %edx
	cmp $STAGE_RUN, %edx
	je 2f
	lea STAGE(%r12), %rdi
	mov $FUTEX_WAIT, %esi
	xor %r10d, %r10d
	mov $__NR_futex, %eax
	syscall
	jmp 1b
2:	test %r13, %r13
	jz 3f
	mov %r13, %rdi
	mov %r14, %rsi
	mov $__NR_set_robust_list, %eax
	syscall
3:	mov %rbp, %rsp
	become_frame
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
	mov 8(%rsp), %r12
	mov 16(%rsp), %r13
	mov 24(%rsp), %r14d
	mov 32(%rsp), %r15
	jmp *%rax
	.size resume_jump, . - resume_jump

/* void resume_park(code, crew, context, robust, robust_size) */
	.globl resume_park
	.type resume_park, @function
resume_park:
	mov %rsi, %r12
	mov %rdx, %rbp
	mov %rcx, %r13
	mov %r8, %r14
	jmp *%rdi
	.size resume_park, . - resume_park

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
