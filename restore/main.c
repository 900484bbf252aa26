/*
 * snaprun becomes the program that an image holds. In order:
 *
 *   1. look     read the image's records and have them checked; check the machine;
 *               where the program needs its IDs, go on in a new process in a new namespace;
 *               make the other processes of a tree, which all go on here with their own images
 *   2. clear    keep what the caller gave (arguments, environment), put the
 *               vdso in its place, unmap everything else
 *   3. build    the mappings, then their pages, decoded on all processors
 *   4. prepare  all that may still be refused and that an exec undoes, or undo.h: open
 *               files, which close on exec; locks; threads, which wait; timers, which
 *               do not run
 *   5. become   the commit point: what an exec would not undo, from descriptors that
 *               stay open to signals that wait; the program's callbacks, registers
 *
 * Nothing of the program has run before the last lines of 5. A failure up to 5
 * ends the loader with a message, or starts the original program in a process
 * that is as the caller left it (--fallback); in 5 nothing fails for a reason
 * that could be foreseen.
 */
#include <asm/prctl.h>
#include <linux/auxvec.h>
#include <linux/mman.h>

#include "restore/base/limits.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/become/clock.h"
#include "restore/become/identity.h"
#include "restore/become/ipc.h"
#include "restore/become/root.h"
#include "restore/become/threads_x86_64.h"
#include "restore/become/tree.h"
#include "restore/fds/streams.h"
#include "restore/fds/table.h"
#include "restore/loader.h"
#include "restore/look/cache.h"
#include "restore/look/check.h"
#include "restore/look/fallback.h"
#include "restore/look/vdso.h"

struct loader loader;

_Noreturn void loader_main(uint64_t *stack);

/* See the System V ABI, "Process initialization". */
static void read_kernel_stack(uint64_t *stack)
{
	loader.stack.argc = stack[0];
	loader.stack.argv = (char **)(stack + 1);
	loader.stack.envp = loader.stack.argv + loader.stack.argc + 1;
	char **end = loader.stack.envp;
	while (*end != NULL)
		end++;
	for (const uint64_t *auxv = (const uint64_t *)(end + 1); auxv[0] != AT_NULL; auxv += 2) {
		if (auxv[0] == AT_SYSINFO_EHDR)
			loader.stack.vdso = auxv[1];
		else if (auxv[0] == AT_RANDOM)
			memcpy(loader.random, (const void *)auxv[1], sizeof loader.random);
		else if (auxv[0] == AT_EXECFN)
			loader.stack.file = (const char *)auxv[1];
	}
}

/* The decoder comes from a library built with the stack protector, which reads its canary at %fs:0x28. */
static void give_thread_block(void)
{
	static uint64_t block[8];
	sys(__NR_arch_prctl, ARCH_SET_FS, block);
}

extern const uint8_t __executable_start[], __bss_start[]; /* of the linker */
extern const uint8_t loader_text_end[], loader_stack[], loader_stack_top[];

/* The loader's own code and data, in a few calls instead of a fault each few pages. Of the stack the deepest
 * part is the decoder's. */
static void populate_self(void)
{
	enum { STACK_USED = 8192, BEHIND_USED = 4096 };
	uint64_t code = page_floor((uint64_t)__executable_start), data = page_floor((uint64_t)__bss_start);
	uint64_t stack = (uint64_t)loader_stack_top - STACK_USED;
	sys(__NR_madvise, code, page_ceil((uint64_t)loader_text_end) - code, MADV_POPULATE_READ);
	sys(__NR_madvise, data, (uint64_t)loader_stack - data, MADV_POPULATE_WRITE);
	sys(__NR_madvise, stack, STACK_USED + BEHIND_USED, MADV_POPULATE_WRITE);
}

/* -v: how long each phase took. */
static void tell_phase(const char *phase)
{
	static uint64_t before;
	struct {
		int64_t seconds, nanoseconds;
	} now = {0};
	if (!loader.options.verbose)
		return;
	sys(__NR_clock_gettime, 0 /* CLOCK_REALTIME: clock_enter() may change the others */, &now);
	uint64_t microseconds = (uint64_t)now.seconds * 1000000 + (uint64_t)now.nanoseconds / 1000;
	if (phase != NULL)
		warn(phase, ": ", dec(microseconds - before), " us");
	before = microseconds;
}

static void commit(void)
{
	undo_forget();
	die_instead = NULL;
	descriptors_commit();
	streams_commit();
	process_commit();
	thread_send_pending(0);
	streams_tell();
	limits_put_back(); /* before those that the program set */
	attributes_commit();
	process_commit_thread_flags();
	process_commit_flags();
	attributes_commit_last();
	resume_commit();
}

_Noreturn void loader_main(uint64_t *stack)
{
	populate_self();
	read_kernel_stack(stack);
	give_thread_block();
	loader.tid = (uint32_t)sys(__NR_gettid);
	options_parse();
	key_enter();
	if (loader.options.record)
		record_start();
	tell_phase(NULL);

	if (loader.options.check)
		check_answer();
	image_open();
	if (loader.options.fallback && die_instead == NULL)
		die_instead = fallback_start; /* a damaged image names no program */
	if (loader.options.inputs)
		inputs_check();
	machine_check();
	mappings_check();
	if (!loader.is_copy)
		cache_make();
	clock_enter();
	root_enter();
	identity_enter();
	tree_enter();
	tell_phase("image and machine checked");

	arguments_keep();
	vdso_place();
	mappings_build();
	tell_phase("mappings built");

	fill_pages();
	mappings_settle();
	image_close();
	shared_leave();
	hot_populate();
	tell_phase("pages filled");

	pieces_tell_shim();
	mappings_protect();
	streams_look();
	descriptors_prepare();
	process_prepare();
	attributes_check();
	resume_prepare();
	tree_await_ready();
	ipc_settle();
	tell_phase("prepared");

	commit();
	tree_await_set();
	tell_phase("process restored");

	resume();
}
