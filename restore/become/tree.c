/*
 * A tree is made from its first process on: that makes what several have (open descriptions, shared memory),
 * then each makes its children, as they were recorded: those of before it had a session of its own, then the
 * others. Whose parent is init is made by a process that ends at once; a session or process group whose
 * leader is gone, by one with the leader's ID that ends when all are in it. Zombies end as they had.
 *
 * Where a process has the descriptors of its parent (CLONE_FILES), the parent makes them, and the other has
 * its own ones only for as long as its memory is built: the parent takes no number before that is over, and
 * the other opens nothing more until all have theirs.
 *
 * A failure of any ends all: the first process kills the others, and they end themselves when they see that
 * it is gone.
 */
#include "restore/become/tree.h"

#include <stddef.h> /* for <asm/signal.h> of Linux 5.10 */

#include <asm/signal.h>
#include <linux/mman.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/become/directory.h"
#include "restore/become/session.h"
#include "restore/become/tree_parts.h"
#include "restore/fds/objects.h"
#include "restore/fds/table.h"
#include "restore/loader.h"
#include "restore/zone.h"

struct tree tree;

bool tree_is_born(void)
{
	return tree.is_born;
}

bool tree_leads_group(void)
{
	return snapimg_member_count(&loader.image) > 0 && snapimg_get_member(&loader.image)->group != 0;
}

uint32_t tree_descriptors_end(void)
{
	return tree.descriptors_end;
}

int tree_find(uint32_t pid)
{
	for (uint32_t i = 0; i < tree.count; i++)
		if (tree.member[i].pid == pid)
			return (int)i;
	return NONE;
}

/* --- the first process */

static void count_all(void)
{
	uint32_t *wanted = tree.meeting->wanted;
	for (uint32_t i = 0; i < tree.count; i++) {
		bool lives = tree.member[i].state != SNAPIMG_MEMBER_ZOMBIE;
		wanted[STAGE_BORN] += 1u + (tree_begins_group(i) ? 1u : 0u);
		wanted[STAGE_GROUPED]++;
		wanted[STAGE_MADE] += lives;
		wanted[STAGE_QUIET] += tree_shares_descriptors(&tree.member[i]);
		wanted[STAGE_READY] += lives;
		wanted[STAGE_NUMBERED] += lives && !tree_shares_descriptors(&tree.member[i]);
		wanted[STAGE_SET] += lives;
		if (tree.member[i].descriptors > tree.descriptors_end)
			tree.descriptors_end = tree.member[i].descriptors;
	}
}

/* TREE and the pool stay when the image that they are in has gone from a new process. */
static void make_room(void)
{
	uint32_t objects = snapimg_object_count(&loader.image);
	uint64_t members = sizeof(struct meeting), pool = members + tree.count * sizeof *tree.member;
	uint64_t size = page_ceil(pool + 2 * (uint64_t)objects * sizeof(int32_t));
	long result = sys(__NR_mmap, ZONE_TREE, size, PROT_READ | PROT_WRITE,
	                  MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (result != (long)ZONE_TREE)
		die(EXIT_REFUSED, "no memory for a tree of processes: ", error_text(result));
	tree.meeting = (struct meeting *)ZONE_TREE;
	tree.member = memcpy((void *)(ZONE_TREE + members), snapimg_get_member(&loader.image),
	                     tree.count * sizeof *tree.member);
	tree.pool = (int32_t *)(ZONE_TREE + pool);
	tree.pool_count = objects;
}

/* What ends meanwhile is no news to the program; and a caller that ignores its children's ends would have no
 * zombies. */
static void hear_children(void)
{
	const struct kernel_sigaction plain = {0};
	const uint64_t child = (uint64_t)1 << (SIGCHLD - 1);
	sys(__NR_rt_sigaction, SIGCHLD, &plain, 0, SIGNAL_SET_SIZE);
	sys(__NR_rt_sigprocmask, 1 /* SIG_UNBLOCK */, &child, 0, SIGNAL_SET_SIZE);
}

static void become_member(uint32_t index)
{
	const struct snapimg_member *it = &tree.member[index];
	tree.self = loader.tree_member = index;
	if (it->state == SNAPIMG_MEMBER_ZOMBIE)
		return;
	loader.options.arguments_given = false;
	loader.options.verbose = false;
	files_forget();
	directory_forget(tree_shares_descriptors(it));
	descriptors_restart();
	image_open_part(it->offset, it->size, it->digest);
}

void tree_enter(void)
{
	if (loader.options.override_count > 0)
		die(EXIT_REFUSED, "--fd: ", loader.options.image, " is a tree of processes: leave it out");
	tree.count = loader.tree_size = snapimg_member_count(&loader.image);
	make_room();
	count_all();
	hear_children();
	session_note_caller();
	tree_add_undo(true);
	descriptors_begin();
	shared_make();
	objects_make();
	objects_copy_numbers((int32_t *)(uint64_t)tree.pool);
	uint32_t self = 0;
	for (int next; (next = tree_make_children(self)) != NONE; self = (uint32_t)next)
		tree.self = loader.tree_member = (uint32_t)next;
	if (self != 0)
		become_member(self);
	tree_join_group();
	tree.is_born = true;
	if (self == 0) {
		session_ask_foreground();
		return;
	}
	machine_check();
	mappings_check();
}

/* --- in each */

int tree_object(uint64_t index)
{
	return index < tree.pool_count ? tree.pool[index] : NONE;
}

const struct snapimg_member *tree_earlier(uint32_t index)
{
	return index < tree.self && tree.member[index].state != SNAPIMG_MEMBER_ZOMBIE ? &tree.member[index]
	                                                                              : NULL;
}

void tree_leave_objects(void)
{
	if (tree_shares_descriptors(tree_own())) /* who has them closes them */
		return;
	for (uint32_t i = 0; i < 2 * tree.pool_count; i++)
		if (tree.pool[i] != NONE)
			sys(__NR_close, tree.pool[i]);
}

void tree_tell_made(void)
{
	tree_arrive(STAGE_MADE);
}

void tree_await_made(void)
{
	tree_await(STAGE_MADE);
}

bool tree_has_sharers(void)
{
	return tree_is_one() && tree.meeting->wanted[STAGE_QUIET] > 0;
}

void tree_await_quiet(void)
{
	if (!tree_shares_descriptors(tree_own()))
		tree_await(STAGE_QUIET);
	else if (snapimg_descriptor_count(&loader.image) > 0)
		die(EXIT_REFUSED, loader.options.image, ": ", snapimg_strerror(SNAPIMG_ERR_MEMBER),
		    ": freeze the program again");
}

void tree_be_quiet(void)
{
	if (tree_shares_descriptors(tree_own()))
		tree_arrive(STAGE_QUIET);
}

void tree_await_numbers(void)
{
	if (tree_shares_descriptors(tree_own()))
		tree_await(STAGE_NUMBERED);
	else
		tree_arrive(STAGE_NUMBERED);
}

void tree_await_ready(void)
{
	tree_arrive(STAGE_READY);
	tree_await(STAGE_READY);
}

void tree_await_set(void)
{
	tree_add_undo(!tree_is_member());
	if (!tree_is_member())
		session_take_foreground();
	tree_arrive(STAGE_SET);
	if (tree_own()->state != SNAPIMG_MEMBER_STOPPED)
		tree_await(STAGE_SET);
	tree_hear_stops();
	if (tree_own()->state == SNAPIMG_MEMBER_STOPPED)
		tree_stop();
	undo_forget();
}
