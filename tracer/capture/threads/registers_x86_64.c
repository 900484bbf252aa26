/* The registers of an x86-64 thread. */
#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "tracer/capture/refuse.h"
#include "tracer/capture/threads/threads.h"

enum {
	CS_64BIT = 0x33, /* __USER_CS, arch/x86/include/asm/segment.h */
	CALLBACKS_BELOW = 128 * 1024,
	FLAGS_AT_REST = 0x202, /* interrupts are on, and the bit that is always set */
	XSTATE_MXCSR = 24,
	XSTATE_SOFTWARE =
	        464, /* struct _fpx_sw_bytes; a regset holds the XCR0 mask there (ptrace, regset.c) */
	XSTATE_HEADER = 512,
};
#define XFEATURES_LEGACY 3ull /* x87 and SSE */
#define XFEATURES_PKRU   (1ull << 9)
#define XFEATURES_AMX    (1ull << 17 | 1ull << 18) /* tile configuration and data */

static enum status ptrace_failed(const char *what, pid_t pid)
{
	return fail(STATUS_FAILED, "can't read the program's state: %s of process %d: %s", what, pid,
	            strerror(errno));
}

enum status thread_read_registers(pid_t pid, struct user_regs_struct *ret_registers)
{
	struct user_regs_struct registers;
	struct iovec area = {.iov_base = &registers, .iov_len = sizeof(registers)};

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &area) < 0)
		return ptrace_failed("registers", pid);
	if (area.iov_len != sizeof(registers) || registers.cs != CS_64BIT)
		return refuse("32-bit code", "only 64-bit programs can be frozen", "process %d at 0x%" PRIx64,
		              pid, (uint64_t)registers.rip);
	if (registers.ds || registers.es || registers.fs || registers.gs)
		return refuse("a segment selector of the program's own (modify_ldt)",
		              "choose a point before it is set", "process %d", pid);
	*ret_registers = registers;
	return STATUS_OK;
}

enum status thread_read_ended(pid_t pid, const struct user_regs_struct *living, struct snapimg_thread *thread,
                              struct user_regs_struct *ret_registers)
{
	struct text text CLEANUP(text_free) = {0};
	const uint64_t call = remote_find_call(pid);
	struct proc_stat stat;
	enum status status;

	if (!call)
		return refuse("a main thread that has ended (pthread_exit), in a program that makes no call",
		              "choose a point before it ends", "process %d", pid);
	if ((status = proc_read(proc_path(pid, "task/%d/stat", pid), &text)) != STATUS_OK ||
	    (status = proc_read_stat(pid, &stat)) != STATUS_OK)
		return status;
	const char *last = strrchr(text.bytes, ' '); /* its exit code, as wait(2) would tell it */
	*ret_registers = (struct user_regs_struct){
	        .rip = call,
	        .rax = SYS_exit,
	        .orig_rax = (unsigned long long)-1,
	        /* Callbacks of a start may run there (snap_on_restore): far below main's own frames. */
	        .rsp = (stat.field[STAT_START_STACK] & ~15ull) - CALLBACKS_BELOW,
	        .rdi = last ? (strtoull(last, NULL, 10) >> 8 & 0xff) : 0,
	        .cs = living->cs,
	        .ss = living->ss,
	        .eflags = FLAGS_AT_REST,
	};
	thread->signal_mask = ~0ull; /* what waits for the process is for the others */
	thread->tid = (uint32_t)pid;
	return STATUS_OK;
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
	return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* Of the features, those that are not all zero, which is their initial state (Intel's manual 1, 13.6).
 * Processors may say that such a one is in use; emulated ones say it of each. PKRU's is another under Linux.
 */
static uint64_t leave_initial(uint64_t features, const uint8_t *xstate, size_t size)
{
	for (unsigned int i = 2; i < 63; i++) {
		unsigned int length, offset, ecx, edx;
		uint64_t feature = 1ull << i;
		if ((features & feature) && feature != XFEATURES_PKRU &&
		    __get_cpuid_count(0xd, i, &length, &offset, &ecx, &edx) && offset <= size &&
		    length <= size - offset && is_zero(xstate + offset, length))
			features &= ~feature;
	}
	return features;
}

/* Where the highest of the features ends in the standard format (CPUID leaf 0xd); the rest need not be kept.
 */
static uint32_t xstate_end(uint64_t features, uint32_t size)
{
	uint32_t end = SNAPIMG_XSTATE_MIN;

	for (unsigned int i = 2; i < 63; i++) {
		unsigned int length, offset, ecx, edx;
		if (!(features >> i & 1))
			continue;
		if (!__get_cpuid_count(0xd, i, &length, &offset, &ecx, &edx))
			return size;
		if (offset + length > end)
			end = offset + length;
	}
	return end < size ? end : size;
}

/* A processor without XSAVE has what FXSAVE keeps; the kernel has no NT_X86_XSTATE then. */
static enum status read_area(pid_t pid, uint8_t *xstate, struct iovec *area)
{
	const uint64_t legacy = XFEATURES_LEGACY;

	if (ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, area) == 0)
		return STATUS_OK;
	if (errno != ENODEV || ptrace(PTRACE_GETFPREGS, pid, 0, xstate) < 0)
		return ptrace_failed("extended registers", pid);
	memset(xstate + sizeof(struct user_fpregs_struct), 0,
	       SNAPIMG_XSTATE_MIN - sizeof(struct user_fpregs_struct));
	memcpy(xstate + XSTATE_SOFTWARE, &legacy, sizeof(legacy));
	memcpy(xstate + XSTATE_HEADER, &legacy, sizeof(legacy));
	area->iov_len = SNAPIMG_XSTATE_MIN;
	return STATUS_OK;
}

enum status thread_read_xstate(pid_t pid, bool without_keys, uint8_t *xstate, uint64_t *features,
                               uint32_t *size)
{
	struct iovec area = {.iov_base = xstate, .iov_len = XSTATE_ROOM};
	enum status status = read_area(pid, xstate, &area);
	uint64_t enabled, used;
	uint32_t mxcsr;

	if (status != STATUS_OK)
		return status;
	if (area.iov_len < SNAPIMG_XSTATE_MIN || area.iov_len == XSTATE_ROOM)
		return fail(STATUS_FAILED,
		            "can't read the program's state: %zu bytes of extended registers: "
		            "not a size this version knows",
		            area.iov_len);
	memcpy(&enabled, xstate + XSTATE_SOFTWARE, sizeof(enabled));
	memcpy(&used, xstate + XSTATE_HEADER, sizeof(used));
	if (used & XFEATURES_AMX)
		return refuse("AMX tiles in use", "choose a point where they are released", "process %d",
		              pid);
	/* Features in their initial state need not be known where the image is restored. */
	used = leave_initial(used & enabled, xstate, area.iov_len) | XFEATURES_LEGACY;
	if (without_keys) /* the kernel sets them in each process, which uses none */
		used &= ~XFEATURES_PKRU;
	memset(xstate + XSTATE_SOFTWARE, 0, XSTATE_HEADER - XSTATE_SOFTWARE);
	memset(xstate + XSTATE_HEADER, 0, SNAPIMG_XSTATE_MIN - XSTATE_HEADER);
	memcpy(xstate + XSTATE_HEADER, &used, sizeof(used));
	memcpy(&mxcsr, xstate + XSTATE_MXCSR, sizeof(mxcsr));
	mxcsr &= 0xffff;
	memcpy(xstate + XSTATE_MXCSR, &mxcsr, sizeof(mxcsr));

	uint32_t end = xstate_end(used, (uint32_t)area.iov_len);
	memset(xstate + end, 0, XSTATE_ROOM - end);
	end = (end + SNAPIMG_ALIGNMENT - 1) / SNAPIMG_ALIGNMENT * SNAPIMG_ALIGNMENT;
	*features |= used;
	*size = end > *size ? end : *size;
	return STATUS_OK;
}

#ifndef PTRACE_GET_RSEQ_CONFIGURATION /* an enumerator of <sys/ptrace.h> since glibc 2.34 */
#define PTRACE_GET_RSEQ_CONFIGURATION ((enum __ptrace_request)0x420f)
#endif

struct rseq_configuration { /* include/uapi/linux/ptrace.h; the C library's name for it varies */
	uint64_t address;
	uint32_t size, signature, flags, pad;
};

enum status thread_read_rseq(pid_t pid, struct snapimg_thread *thread)
{
	struct rseq_configuration rseq = {0};

	/* Linux 5.13; EINVAL where the kernel has no rseq. */
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(rseq), &rseq) < 0)
		return errno == EINVAL || errno == EIO ? STATUS_OK : ptrace_failed("rseq", pid);
	if (rseq.address) {
		thread->rseq_address = rseq.address;
		thread->rseq_size = rseq.size;
		thread->rseq_signature = rseq.signature;
	}
	return STATUS_OK;
}
