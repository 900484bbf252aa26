/*
 * Holds all other threads of the process for the time in which memory is
 * copied and replaced, so that nothing that they write is lost. Threads can't
 * be held from inside their own process in a way that they do not see: a
 * signal would end their waits. So a helper is made, a process that shares the
 * memory, which stops them as a tracer does; when it ends, they go on. A wait
 * is restarted by the kernel, but for the few that signal(7) names, which may
 * end with EINTR, as they may after any stop.
 *
 * It is made only for what can't be done without: MADV_WIPEONFORK,
 * MADV_COLLAPSE, userfaultfd and MREMAP_DONTUNMAP of memory from before the
 * start, where there is more than one thread.
 */
#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/sched.h>

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"

enum {
	MEMORY = 1 << 20, /* of the helper: its stack, then struct helper */
	STACK = 32 << 10,
	ENTRIES = 4096,        /* bytes of a directory read at once */
	PATIENCE = 20000,      /* times 100 us: a thread that waits for a vfork(2) child stops late */
	WAIT_ALL = 0x40000000, /* __WALL */
	NO_HANG = 1,
	SET_MASK = 2,
	ALL_SIGNALS_SIZE = 8,
};

enum helper_state { HELPER_STARTS, HELPER_HOLDS, HELPER_FAILED };

struct helper {
	volatile uint32_t state;
	volatile uint32_t order; /* 1: you may; 2: let go */
	long error;
	int directory; /* /proc/self/task of the process */
	uint32_t self; /* the thread that is not to be held */
	uint32_t count;
	uint32_t held[]; /* thread IDs */
};

static long sleep_on(volatile uint32_t *word, uint32_t value)
{
	return shim_call(__NR_futex, (uint64_t)word, FUTEX_WAIT, value, 0, 0, 0);
}

static void tell(volatile uint32_t *word, uint32_t value)
{
	*word = value;
	shim_call(__NR_futex, (uint64_t)word, FUTEX_WAKE, 1, 0, 0, 0);
}

static bool is_held(const struct helper *helper, uint32_t tid)
{
	for (uint32_t i = 0; i < helper->count; i++)
		if (helper->held[i] == tid)
			return true;
	return false;
}

static long wait_for(uint32_t tid)
{
	struct {
		int64_t seconds, nanoseconds;
	} pause = {0, 100000};
	int status;

	for (int i = 0; i < PATIENCE; i++) {
		long result = shim_call(__NR_wait4, tid, (uint64_t)&status, WAIT_ALL | NO_HANG, 0, 0, 0);
		if (result != 0)
			return result == -ECHILD ? 0 : result; /* it is gone */
		shim_call(i < 100 ? __NR_sched_yield : __NR_nanosleep, (uint64_t)&pause, 0, 0, 0, 0, 0);
	}
	return -EAGAIN;
}

static long hold(struct helper *helper, uint32_t tid)
{
	const uint32_t most = (MEMORY - STACK - sizeof(*helper)) / sizeof(uint32_t);
	long result = helper->count < most ? shim_call(__NR_ptrace, PTRACE_SEIZE, tid, 0, 0, 0, 0) : -EAGAIN;

	if (result == -ESRCH)
		return 0;
	if (result == 0 && (result = shim_call(__NR_ptrace, PTRACE_INTERRUPT, tid, 0, 0, 0, 0)) == 0)
		result = wait_for(tid);
	helper->held[helper->count++] = tid;
	return result < 0 ? result : 0;
}

/* Each thread of the directory that is not held yet. Returns how many there were, or -errno. */
static long hold_new(struct helper *helper)
{
	struct entry {
		uint64_t inode, offset;
		uint16_t size;
		uint8_t type;
		char name[];
	};
	uint8_t entries[ENTRIES] __attribute__((aligned(8)));
	uint32_t before = helper->count;
	long size, result = 0;

	shim_call(__NR_lseek, (uint64_t)helper->directory, 0, 0, 0, 0, 0);
	while ((size = shim_call(__NR_getdents64, (uint64_t)helper->directory, (uint64_t)entries, ENTRIES, 0,
	                         0, 0)) > 0) {
		for (long at = 0; at < size && result >= 0;) {
			struct entry *entry = (struct entry *)(void *)(entries + at);
			uint32_t tid = 0;

			/* NOLINTNEXTLINE(clang-analyzer-*): getdents64(2) has written it */
			for (const char *digit = entry->name; *digit >= '0' && *digit <= '9'; digit++)
				tid = tid * 10 + (uint32_t)(*digit - '0');
			if (tid != 0 && tid != helper->self && !is_held(helper, tid))
				result = hold(helper, tid);
			at += entry->size;
		}
		if (result < 0)
			return result;
	}
	return size < 0 ? size : (long)(helper->count - before);
}

/* In the helper. A thread that starts another one is not held then, so the last look finds none. */
static void help(struct helper *helper)
{
	long result;

	while (helper->order == 0)
		sleep_on(&helper->order, 0);
	do
		result = hold_new(helper);
	while (result > 0);
	helper->error = result;
	tell(&helper->state, result < 0 ? HELPER_FAILED : HELPER_HOLDS);
	while (result == 0 && helper->order != 2)
		sleep_on(&helper->order, 1);
	shim_call(__NR_exit, 0, 0, 0, 0, 0, 0); /* those that it holds go on */
}

static long make_helper(struct helper *helper, uint64_t stack_top)
{
	const uint64_t flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED;
	register uint64_t r10 __asm__("r10") = 0;
	register uint64_t r8 __asm__("r8") = 0;
	long result;

	__asm__ volatile("syscall\n\t"
	                 "test %%rax, %%rax\n\t"
	                 "jnz 1f\n\t"
	                 "mov %[helper], %%rdi\n\t"
	                 "mov %[help], %%rax\n\t"
	                 "xor %%ebp, %%ebp\n\t" /* only now: it may be one of those */
	                 "call *%%rax\n\t"
	                 "ud2\n"
	                 "1:"
	                 : "=a"(result)
	                 : "a"((long)__NR_clone), "D"(flags), "S"(stack_top), "d"(0L), "r"(r10),
	                   "r"(r8), [helper] "r"(helper), [help] "r"(help)
	                 : "rcx", "r11", "memory");
	return result;
}

static void end_helper(struct held *held)
{
	int status;

	shim_call(__NR_wait4, (uint64_t)held->pid, (uint64_t)&status, WAIT_ALL, 0, 0, 0);
	shim_call(__NR_munmap, held->memory, MEMORY, 0, 0, 0, 0);
	held->memory = 0;
}

static long start_helper(struct held *held)
{
	long memory = shim_call(__NR_mmap, 0, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                        (uint64_t)-1, 0);
	struct helper *helper = (struct helper *)(memory + STACK);

	if (memory < 0)
		return memory;
	helper->self = (uint32_t)shim_call(__NR_gettid, 0, 0, 0, 0, 0, 0);
	helper->directory = (int)shim_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t) "/proc/self/task",
	                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
	if (helper->directory < 0 || (held->pid = make_helper(helper, (uint64_t)memory + STACK)) < 0) {
		shim_call(__NR_close, (uint64_t)helper->directory, 0, 0, 0, 0, 0);
		shim_call(__NR_munmap, (uint64_t)memory, MEMORY, 0, 0, 0, 0);
		return -EAGAIN;
	}
	held->memory = (uint64_t)memory;
	shim_call(__NR_prctl, PR_SET_PTRACER, (uint64_t)held->pid, 0, 0, 0, 0); /* where Yama wants it */
	tell(&helper->order, 1);
	while (helper->state == HELPER_STARTS)
		sleep_on(&helper->state, HELPER_STARTS);
	shim_call(__NR_prctl, PR_SET_PTRACER, 0, 0, 0, 0, 0);
	shim_call(__NR_close, (uint64_t)helper->directory, 0, 0, 0, 0, 0);
	if (helper->state == HELPER_HOLDS)
		return 0;
	end_helper(held);
	return -EAGAIN;
}

/* A handler of this thread's own could write, too. */
long others_hold(struct held *ret_held)
{
	uint64_t all = ~(uint64_t)0;
	unsigned threads = process_threads();
	long result = 0;

	*ret_held = (struct held){0, 0, 0};
	shim_call(__NR_rt_sigprocmask, SET_MASK, (uint64_t)&all, (uint64_t)&ret_held->mask, ALL_SIGNALS_SIZE,
	          0, 0);
	if (threads != 1)
		result = start_helper(ret_held);
	if (result < 0)
		shim_call(__NR_rt_sigprocmask, SET_MASK, (uint64_t)&ret_held->mask, 0, ALL_SIGNALS_SIZE, 0,
		          0);
	return result;
}

void others_release(struct held *held)
{
	if (held->memory != 0) {
		struct helper *helper = (struct helper *)(held->memory + STACK);
		tell(&helper->order, 2);
		end_helper(held);
	}
	shim_call(__NR_rt_sigprocmask, SET_MASK, (uint64_t)&held->mask, 0, ALL_SIGNALS_SIZE, 0, 0);
}
