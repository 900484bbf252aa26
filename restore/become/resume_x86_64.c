/* Restores what belongs to the thread and jumps into the program. */
#include "restore/become/resume_x86_64.h"

#include <asm/prctl.h>
#include <assert.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <stddef.h>

#include "preload/contract.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/become/kept.h"
#include "restore/become/threads_x86_64.h"
#include "restore/become/tree.h"
#include "restore/become/users.h"
#include "restore/fds/streams.h"
#include "restore/loader.h"
#include "restore/zone.h"

static_assert(offsetof(struct kernel_ucontext, link) == 8, "UCONTEXT_LINK in resume_tail_x86_64.S");
static_assert(sizeof(struct prctl_mm_map) == 104, "MM_MAP_SIZE in resume_tail_x86_64.S");
static_assert(offsetof(struct memory_marks, map.exe_fd) == 100, "MM_MAP_EXE there");
static_assert(offsetof(struct memory_marks, executable) == 104, "EXECUTABLE there");

enum {
	RED_ZONE = 128,
	RSEQ_CS_OFFSET = 8, /* struct rseq (include/uapi/linux/rseq.h) */
	XSTATE_ALIGNMENT = 64,
	LEFT_FLAGS = 1 << 21 | 1 << 14, /* ID and NT, which rt_sigreturn leaves as they are */
	FLAGS_AT_REST = 0x202,          /* interrupts are on, and the bit that is always set */
};

static uint64_t align_xstate(uint64_t size)
{
	return (size + XSTATE_ALIGNMENT - 1) & ~(uint64_t)(XSTATE_ALIGNMENT - 1);
}

/* The ucontext, then the XSAVE area with its closing magic; a multiple of 64. */
uint64_t thread_frame_size(void)
{
	uint64_t xstate = snapimg_get_machine(&loader.image)->xstate_size;
	return align_xstate(sizeof(struct kernel_ucontext)) + align_xstate(xstate + sizeof(uint32_t));
}

static void write_xstate(uint8_t *to, const struct snapimg_machine *machine, uint64_t offset)
{
	const uint8_t *from = loader.image.section[SNAPIMG_SECTION_XSTATE].bytes;
	memcpy(to, from + offset, machine->xstate_size);
	struct kernel_xstate_software *software = (void *)(to + XSTATE_SOFTWARE_OFFSET);
	*software = (struct kernel_xstate_software){
	        .magic1 = XSTATE_MAGIC1,
	        .extended_size = machine->xstate_size + (uint32_t)sizeof(uint32_t),
	        .xfeatures = machine->xfeatures,
	        .xstate_size = machine->xstate_size,
	};
	*(uint32_t *)(to + machine->xstate_size) = XSTATE_MAGIC2;
}

static void write_registers(struct kernel_sigcontext *to, const struct snapimg_registers *from)
{
	*to = (struct kernel_sigcontext){
	        .r8 = from->r8,
	        .r9 = from->r9,
	        .r10 = from->r10,
	        .r11 = from->r11,
	        .r12 = from->r12,
	        .r13 = from->r13,
	        .r14 = from->r14,
	        .r15 = from->r15,
	        .rdi = from->rdi,
	        .rsi = from->rsi,
	        .rbp = from->rbp,
	        .rbx = from->rbx,
	        .rdx = from->rdx,
	        .rax = from->rax,
	        .rcx = from->rcx,
	        .rsp = from->rsp,
	        .rip = from->rip,
	        .eflags = from->eflags,
	        .cs = (uint16_t)from->cs,
	        .ss = (uint16_t)from->ss,
	};
}

static void resume_as_main(struct kernel_sigcontext *to)
{
	if ((snapimg_get_process(&loader.image)->flags & SNAPIMG_PROCESS_RESUME_MAIN) == 0)
		return;
	to->rdi = loader.area.argc;
	to->rsi = loader.area.start + loader.area.argv;
	to->rdx = loader.area.start + loader.area.envp;
}

uint64_t thread_write_frame(uint64_t to, const struct snapimg_thread *thread)
{
	const struct snapimg_machine *machine = snapimg_get_machine(&loader.image);
	struct kernel_ucontext *context = (void *)to;
	uint8_t *xstate = (uint8_t *)context + align_xstate(sizeof *context);
	*context = (struct kernel_ucontext){
	        .flags = UCONTEXT_FP_XSTATE | UCONTEXT_SS | UCONTEXT_STRICT_SS,
	        .link = (thread->registers.eflags & LEFT_FLAGS) | FLAGS_AT_REST, /* resume_tail_x86_64.S */
	        .stack_address = thread->altstack_address,
	        .stack_flags = thread->altstack_flags,
	        .stack_size = thread->altstack_size,
	        .mask = thread->signal_mask,
	};
	struct snapimg_registers registers = thread->registers;
	kept_correct_registers(thread, &registers);
	write_registers(&context->registers, &registers);
	write_xstate(xstate, machine, thread->xstate_offset);
	context->registers.fpstate = (uint64_t)xstate;
	return (uint64_t)context;
}

static void restore_rseq(const struct snapimg_thread *thread)
{
	if (thread->rseq_address == 0)
		return;
	/* A critical section does not outlive a system call or a breakpoint; the kernel only clears its mark
	 * late. */
	if (!process_can_write(thread->rseq_address, thread->rseq_size))
		die(EXIT_REFUSED, loader.options.image,
		    ": the rseq area lies in no writable memory: freeze the program again");
	*(uint64_t *)(thread->rseq_address + RSEQ_CS_OFFSET) = 0;
	long result = sys(__NR_rseq, thread->rseq_address, thread->rseq_size, 0, thread->rseq_signature);
	if (result < 0)
		die(EXIT_REFUSED, "restartable sequences: cannot be registered: ", error_text(result));
}

/* A signal that the program sent itself is from itself, whatever its ID is now. Its siginfo_t has who sent it
 * where the union begins (include/uapi/asm-generic/siginfo.h). */
static void name_sender(uint8_t info[SNAPIMG_SIGINFO_SIZE])
{
	enum { CODE = 8, SENDER = 16, BY_KILL = 0, BY_QUEUE = -1, BY_TKILL = -6 };
	int32_t code;
	uint32_t sender;
	memcpy(&code, info + CODE, sizeof code);
	memcpy(&sender, info + SENDER, sizeof sender);
	if ((code == BY_KILL || code == BY_QUEUE || code == BY_TKILL) &&
	    sender == snapimg_get_thread(&loader.image)->tid)
		memcpy(info + SENDER, &loader.tid, sizeof sender);
}

/* Signals of the process can only be sent by the first thread, and those of a thread by itself: the kernel
 * lets nobody else choose any si_code (kernel/signal.c, do_rt_sigqueueinfo, do_rt_tgsigqueueinfo). */
void thread_send_pending(uint32_t index)
{
	const struct snapimg_pending *pending = snapimg_get_pending(&loader.image);
	for (uint32_t i = 0; i < snapimg_pending_count(&loader.image); i++) {
		bool is_own = pending[i].thread == index + 1;
		int32_t number;
		if (!is_own && !(pending[i].thread == 0 && index == 0))
			continue;
		memcpy(&number, pending[i].info, sizeof number);
		uint8_t info[SNAPIMG_SIGINFO_SIZE];
		memcpy(info, pending[i].info, sizeof info);
		name_sender(info);
		long result = is_own ? sys(__NR_rt_tgsigqueueinfo, loader.tid, thread_id(index), number, info)
		                     : sys(__NR_rt_sigqueueinfo, loader.tid, number, info);
		if (result < 0)
			die(EXIT_REFUSED, "signal ", dec((uint64_t)number),
			    ": cannot be made pending: ", error_text(result), ": raise ulimit -Hi");
	}
}

/* What refuses comes first. The rest ends with the thread, so it is undone by an exec of the first one; the
 * list of robust locks alone is set when the program runs (resume_tail_x86_64.S). */
void thread_restore_self(const struct snapimg_thread *thread, uint32_t index)
{
	restore_rseq(thread);
	if (!text_equal(thread->comm, snapimg_get_thread(&loader.image)->comm))
		sys(__NR_prctl, PR_SET_NAME, thread->comm);
	users_commit(index);
	capabilities_commit_limits(index);
	capabilities_drop();
	if (thread->registers.gs_base != 0)
		sys(__NR_arch_prctl, ARCH_SET_GS, thread->registers.gs_base);
	process_commit_thread_flags(index);
	attributes_commit_own(index);
	thread_send_pending(index);
}

/* The program's own callbacks (snap_on_restore), on its stack, below what it may have in use. */
void thread_call_callbacks(const struct snapimg_thread *thread)
{
	const struct snapimg_fixup *fixup = snapimg_get_fixup(&loader.image);
	uint64_t stack_top = (thread->registers.rsp - RED_ZONE) & ~(uint64_t)15;
	for (uint32_t i = 0; i < snapimg_fixup_count(&loader.image); i++) {
		if (fixup[i].kind != SNAPIMG_FIXUP_RESUME)
			continue;
		struct snap_resume *block = (void *)fixup[i].address;
		for (; (uint64_t)block < fixup[i].address + fixup[i].argument; block++)
			for (struct snap_callback *call = block->callbacks; call != NULL; call = call->next)
				resume_call(call->function, call->argument, stack_top);
	}
}

/* The kernel lets only those with CAP_SYS_ADMIN or (5.9) CAP_CHECKPOINT_RESTORE change /proc/self/exe; for
 * others it stays snaprun. */
static int open_executable(void)
{
	if (!capabilities_can_restore() || tree_has_sharers())
		return -1;
	const char *path = snapimg_string(&loader.image, snapimg_get_process(&loader.image)->executable);
	return (int)sys(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

/* Who has the same descriptors (CLONE_FILES) may run by then, and would see it. */
static uint64_t executable_to_open(void)
{
	return capabilities_can_restore() && tree_has_sharers() ? loader.area.start + loader.area.executable
	                                                        : 0;
}

static uint64_t callers_mask;

static void put_mask_back(void)
{
	sys(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &callers_mask, 0, SIGNAL_SET_SIZE);
}

/* From here on a signal would find threads that are not the program's yet, and then its handlers. */
static void block_signals(void)
{
	const uint64_t all_signals = ~(uint64_t)0;
	sys(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &all_signals, &callers_mask, SIGNAL_SET_SIZE);
	undo_add(put_mask_back);
}

static uint64_t first_frame(void)
{
	return loader.area.start + loader.area.frame;
}

void resume_prepare(void)
{
	const struct snapimg_thread *thread = snapimg_get_thread(&loader.image);
	memcpy((void *)loader.area.start, resume_tail, (size_t)(resume_tail_end - resume_tail));
	block_signals();
	threads_write_departures();
	long result = sys(__NR_mprotect, loader.area.start, loader.area.frame, PROT_READ | PROT_EXEC);
	if (result < 0)
		die(EXIT_REFUSED, "cannot make the resume code executable: ", error_text(result));
	threads_start();
	/* After the others are made: a register of it can hold the ID of one. */
	uint64_t context = thread_write_frame(first_frame(), thread);
	resume_as_main(&((struct kernel_ucontext *)context)->registers);
	streams_interrupt(&((struct kernel_ucontext *)context)->registers);
	timers_prepare();
	process_apply_fixups();
	restore_rseq(thread);
	threads_wait();
}

void resume_commit(void)
{
	const struct snapimg_thread *thread = snapimg_get_thread(&loader.image);
	for (uint32_t i = 0; i < snapimg_thread_count(&loader.image); i++)
		attributes_commit_thread(i, thread_id(i));
	attributes_commit_own(0);
	timers_commit();
	sys(__NR_set_tid_address, thread->tid_address);
	sys(__NR_arch_prctl, ARCH_SET_FS, thread->registers.fs_base);
	if (thread->registers.gs_base != 0)
		sys(__NR_arch_prctl, ARCH_SET_GS, thread->registers.gs_base);
	if (thread->robust_list != 0)
		sys(__NR_set_robust_list, thread->robust_list, thread->robust_list_size);
	threads_run_callbacks();
}

_Noreturn void resume(void)
{
	struct memory_marks *marks = (void *)(loader.area.start + loader.area.marks);
	int executable = open_executable();
	marks->map.exe_fd = (uint32_t)executable;
	marks->executable = executable_to_open();
	bool has_more = capabilities_last(&marks->capabilities);
	resume_jump(loader.area.start, ZONE_START, ZONE_END - ZONE_START, first_frame(), executable,
	            (uint64_t)marks, threads_crew(), has_more ? &marks->capabilities : NULL,
	            loader.reservation, loader.reserved);
}
