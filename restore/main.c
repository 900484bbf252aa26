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
#include "restore/become/capabilities.h"
#include "restore/become/clock.h"
#include "restore/become/identity.h"
#include "restore/become/ipc.h"
#include "restore/become/root.h"
#include "restore/become/threads_x86_64.h"
#include "restore/become/tree.h"
#include "restore/become/users.h"
#include "restore/build/inherited.h"
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

extern const uint8_t __executable_start[], __etext[], loader_data_start[], loader_written_start[];
extern const uint8_t loader_text_end[]; /* the others are of the linker */

/* The kernel maps what it has of a file around the page that is asked for, in aligned pieces of this size
 * (mm/memory.c, fault_around_bytes): to ask for one page of each piece is enough, and for every page costs
 * more than it saves. */
static void populate_file(uint64_t start, uint64_t end)
{
	enum { AROUND = 65536 };
	for (uint64_t at = page_floor(start); at < end; at = (at | (AROUND - 1)) + 1)
		sys(__NR_madvise, at, SNAPIMG_PAGE_SIZE, MADV_POPULATE_READ);
}

/* The loader's own code and constants, without exceptions. The piece with the entry point is there; data and
 * stack were populated before the stack was used (start_x86_64.S). */
static void populate_self(void)
{
	enum { FIRST = 65536 };
	populate_file((uint64_t)__executable_start + FIRST, (uint64_t)loader_text_end);
	populate_file((uint64_t)__etext, (uint64_t)loader_data_start);
	if (page_floor((uint64_t)loader_data_start) < page_floor((uint64_t)loader_written_start))
		populate_file((uint64_t)loader_data_start, (uint64_t)loader_data_start + 1);
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
	if (tree_is_one())
		tree_await_numbers();
	streams_commit();
	process_commit();
	thread_send_pending(0);
	streams_tell();
	limits_put_back(); /* before those that the program set */
	users_commit(0);
	capabilities_commit_limits(0);
	attributes_commit();
	process_commit_thread_flags(0);
	process_commit_flags();
	attributes_commit_last();
	resume_commit();
}

/* Returns in each process of the tree. */
static void enter_tree(void)
{
	tree_enter();
	files_make_own();
	tree_tell_made();
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
	if (!loader.options.check)
		directories_make();
	mappings_check();
	if (!loader.is_copy)
		cache_make();
	clock_enter();
	if (loader.options.root_of_image)
		root_enter();
	identity_enter();
	if (snapimg_member_count(&loader.image) > 0)
		enter_tree();
	tell_phase("image and machine checked");

	arguments_keep();
	vdso_place();
	mappings_build();
	tell_phase("mappings built");

	if (snapimg_inherited_count(&loader.image) > 0)
		inherited_take();
	fill_pages();
	mappings_settle();
	image_close();
	shared_leave();
	hot_populate();
	tell_phase("pages filled");

	pieces_tell_shim();
	mappings_protect();
	streams_look();
	if (tree_is_one())
		tree_await_quiet();
	descriptors_prepare();
	process_prepare();
	attributes_check();
	if (tree_is_one())
		tree_be_quiet();
	resume_prepare();
	if (tree_is_one())
		tree_await_ready();
	if (ipc_is_needed())
		ipc_settle();
	tell_phase("prepared");

	commit();
	if (tree_is_one())
		tree_await_set();
	tell_phase("process restored");

	resume();
}
