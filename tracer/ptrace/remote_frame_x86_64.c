#include "tracer/ptrace/remote_frame_x86_64.h"

#include <asm/sigcontext.h>
#include <cpuid.h>
#include <elf.h>
#include <stdalign.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/restart_x86_64.h"

/* As the kernel lays it out (struct rt_sigframe of arch/x86/include/asm/sigframe.h;
 * include/uapi/asm/ucontext.h). */
struct frame {
	uint64_t back; /* what the handler returns to */
	uint64_t flags, link;
	struct {
		uint64_t start;
		uint32_t flags, padding;
		uint64_t size;
	} altstack;
	struct sigcontext_64 context;
	uint64_t mask;
	uint8_t info[128]; /* a siginfo_t, which sigreturn does not look at */
};

enum {
	HAS_XSTATE = 1,
	HAS_SS = 2 | 4, /* UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS */
	NO_ALTSTACK =
	        0x7f, /* no mode of sigaltstack(2): sigreturn leaves the one there is (restore_altstack()) */
	FEATURES =
	        512, /* XSTATE_BV, the first word of the header after the legacy area (Intel SDM 1, 13.4) */
	LEAST_XSTATE = 576,
	XSTATE_ROOM = REMOTE_ROOM - 2048 - 64,
	ROOM_ABOVE = 512, /* nobody's, between the frame and what lies above it */
};

/* How much of an extended state of these features there is: the end of the last one that isn't as after a
 * reset. */
static uint32_t xstate_size(uint64_t features)
{
	uint32_t size = LEAST_XSTATE;

	for (unsigned i = 2; i < 63; i++) {
		unsigned length, offset, c, d;

		if (!(features >> i & 1))
			continue;
		__cpuid_count(0xd, i, length, offset, c, d);
		if (offset + length > size)
			size = offset + length;
	}
	return size;
}

/* What the kernel looks for in a frame (check_xstate_in_sigframe()): the words that tell its size stand in
 * the legacy area, a second magic word after the end. */
static bool read_xstate(pid_t tid, uint8_t *xstate, size_t room, size_t *ret_size)
{
	struct iovec area = {.iov_base = xstate, .iov_len = room - sizeof(uint64_t)};
	struct _fpx_sw_bytes said = {.magic1 = FP_XSTATE_MAGIC1};
	const uint32_t end = FP_XSTATE_MAGIC2;

	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &area) < 0 || area.iov_len < LEAST_XSTATE)
		return false;
	memcpy(&said.xfeatures, xstate + FEATURES, sizeof(said.xfeatures));
	said.xfeatures |= 3; /* x87 and SSE */
	said.xstate_size = xstate_size(said.xfeatures);
	said.extended_size = said.xstate_size + (uint32_t)sizeof(end);
	if (said.extended_size > room)
		return false;
	memcpy(xstate + offsetof(struct _fpstate_64, sw_reserved), &said, sizeof(said));
	memcpy(xstate + said.xstate_size, &end, sizeof(end));
	*ret_size = said.extended_size;
	return true;
}

static void fill_context(struct sigcontext_64 *context, const struct user_regs_struct *from)
{
	*context = (struct sigcontext_64){
	        .r8 = from->r8,
	        .r9 = from->r9,
	        .r10 = from->r10,
	        .r11 = from->r11,
	        .r12 = from->r12,
	        .r13 = from->r13,
	        .r14 = from->r14,
	        .r15 = from->r15,
	        .di = from->rdi,
	        .si = from->rsi,
	        .bp = from->rbp,
	        .bx = from->rbx,
	        .dx = from->rdx,
	        .ax = from->rax,
	        .cx = from->rcx,
	        .sp = from->rsp,
	        .ip = from->rip,
	        .flags = from->eflags,
	        .cs = (uint16_t)from->cs,
	        .ss = (uint16_t)from->ss,
	};
}

bool frame_write(pid_t tid, const struct remote_gate *gate, const struct user_regs_struct *registers,
                 uint64_t mask, uint64_t *ret_stack)
{
	uint8_t xstate[XSTATE_ROOM];
	struct user_regs_struct ready = *registers;
	uint64_t top = gate->room + REMOTE_ROOM - ROOM_ABOVE, state, start;
	struct frame frame = {.back = gate->back,
	                      .flags = HAS_XSTATE | HAS_SS,
	                      .altstack.flags = NO_ALTSTACK,
	                      .mask = mask};
	const uint64_t mark = REMOTE_MARK;
	size_t size;

	if (!gate->back || !read_xstate(tid, xstate, sizeof(xstate), &size))
		return false;
	(void)restart_call(&ready, BY_STOP); /* no sigreturn makes a call again */
	state = (top - size) & ~63ull;
	start = (state - sizeof(frame)) & ~15ull;
	fill_context(&frame.context, &ready);
	frame.context.fpstate = state;
	if (tracee_write(tid, gate->room, &mark, sizeof(mark)) < 0 ||
	    tracee_write(tid, state, xstate, size) < 0 || tracee_write(tid, start, &frame, sizeof(frame)) < 0)
		return false;
	*ret_stack = start;
	return true;
}

void frame_clear(pid_t tid, const struct remote_gate *gate)
{
	static const uint8_t nothing[REMOTE_ROOM];

	if (gate->room && tracee_write(tid, gate->room, nothing, sizeof(nothing)) < 0)
		return; /* it was killed */
}
