/* The processes of a tree, in sessions and groups as they were. */
#include <stddef.h> /* for <asm/signal.h> of Linux 5.10 */

#include <asm/errno.h>
#include <asm/resource.h>
#include <asm/signal.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "restore/base/message.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/become/tree_parts.h"
#include "restore/loader.h"

/* The session that it must be born in: its own one, or, where it makes another, that of what it made before.
 */
static int64_t birth_session(uint32_t index)
{
	const struct snapimg_member *it = &tree.member[index];
	if (it->session != it->pid)
		return it->session;
	for (uint32_t i = index + 1; i < tree.count; i++) {
		int64_t session = tree.member[i].parent == it->pid ? birth_session(i) : ANY_SESSION;
		if (session != ANY_SESSION && session != it->pid)
			return session;
	}
	return ANY_SESSION;
}

static bool is_early(const struct snapimg_member *parent, uint32_t child)
{
	int64_t session = birth_session(child);
	return parent->session == parent->pid && session != ANY_SESSION && session != parent->pid;
}

/* Of a session or group whose leader is none of the tree's processes. */
static bool is_leaderless(uint32_t id)
{
	return id != 0 && tree_find(id) == NONE;
}

/* Whether this is the first process of a group that has no leader, and that its session's is not, too. */
bool tree_begins_group(uint32_t index)
{
	const struct snapimg_member *it = &tree.member[index];
	if (!is_leaderless(it->group) || it->group == it->session)
		return false;
	for (uint32_t i = 0; i < index; i++)
		if (tree.member[i].group == it->group)
			return false;
	return true;
}

/* --- making processes */

static long try_process(uint32_t pid, uint64_t flags)
{
	int32_t wanted = (int32_t)pid;
	struct clone_args arguments = {
	        .flags = flags, .exit_signal = SIGCHLD, .set_tid = (uint64_t)&wanted, .set_tid_size = 1};
	long result = sys(__NR_clone3, &arguments, sizeof arguments);
	if (result == 0) { /* what is to be undone is the maker's to undo */
		undo_forget();
		tree_add_undo(false);
		die_instead = NULL;
		loader.tid = pid;
	}
	return result;
}

static long make_process(uint32_t pid, uint64_t flags)
{
	long result = try_process(pid, flags);
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image, ": no process can have the recorded ID ", dec(pid),
		    ": ", error_text(result), result == -EAGAIN ? ": raise ulimit -u" : "");
	return result;
}

static void must(long result, const char *what, uint32_t id)
{
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image, ": process ", dec(loader.tid), ": ", what, " ",
		    dec(id), ": ", error_text(result));
}

static bool is_of_tree(uint32_t id)
{
	for (uint32_t i = 0; i < tree.count; i++)
		if (tree.member[i].pid == id || tree.member[i].group == id || tree.member[i].session == id)
			return true;
	return false;
}

/* With an ID that nobody of the tree has; or somebody else in the namespace. */
static long make_between(void)
{
	long result = -EEXIST;
	for (uint32_t id = 2; result == -EEXIST; id++)
		if (!is_of_tree(id))
			result = try_process(id, 0);
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image, ": no process can be made: ", error_text(result),
		    ": raise ulimit -u");
	return result;
}

/* Who makes a process that is init's child: one in whose session it is born, else the first. */
static uint32_t maker_of(uint32_t orphan)
{
	int64_t session = birth_session(orphan);
	int maker = session > 0 ? tree_find((uint32_t)session) : NONE;
	return maker == NONE ? 0 : (uint32_t)maker;
}

/* By a process in between that ends at once, the leader of their session if that is gone. Returns the index
 * in the new process, NONE in the maker. */
static int make_orphans(uint32_t first)
{
	int64_t session = birth_session(first);
	bool leads = session > 0 && is_leaderless((uint32_t)session);
	long between = leads ? make_process((uint32_t)session, 0) : make_between();
	if (between > 0) {
		sys(__NR_wait4, between, 0, 0, 0);
		return NONE;
	}
	if (leads)
		must(sys(__NR_setsid), "cannot make the session", loader.tid);
	for (uint32_t i = first; i < tree.count; i++)
		if (tree.member[i].parent == 0 && (i == first || (leads && birth_session(i) == session)) &&
		    make_process(tree.member[i].pid, 0) == 0)
			return (int)i;
	sys(__NR_exit_group, 0);
	__builtin_unreachable();
}

/* Those of one leaderless session come with the first of them. */
static bool is_made_with_other(uint32_t orphan)
{
	int64_t session = birth_session(orphan);
	if (session <= 0 || !is_leaderless((uint32_t)session))
		return false;
	for (uint32_t i = 1; i < orphan; i++)
		if (tree.member[i].parent == 0 && birth_session(i) == session)
			return true;
	return false;
}

/* Where both have the same directory and umask, both go there: that is once too often, and no harm. */
static uint64_t shared_with_parent(const struct snapimg_member *it)
{
	bool lives = it->state != SNAPIMG_MEMBER_ZOMBIE;
	uint64_t place = lives && (it->status & SNAPIMG_MEMBER_SHARES_PLACE) != 0 ? CLONE_FS : 0;
	return place | (tree_shares_descriptors(it) ? CLONE_FILES : 0);
}

static int make_some(uint32_t self, bool early)
{
	const struct snapimg_member *parent = &tree.member[self];
	for (uint32_t i = 1; i < tree.count; i++) {
		const struct snapimg_member *it = &tree.member[i];
		if (it->parent == parent->pid) {
			if (is_early(parent, i) == early &&
			    make_process(it->pid, shared_with_parent(it)) == 0)
				return (int)i;
		} else if (it->parent == 0 && maker_of(i) == self && !is_made_with_other(i) &&
		           early == (self == 0 && is_early(parent, i))) {
			int index = make_orphans(i);
			if (index != NONE)
				return index;
		}
	}
	return NONE;
}

/* Returns the index in each new process, NONE when all children are there. */
int tree_make_children(uint32_t self)
{
	const struct snapimg_member *it = &tree.member[self];
	int index = make_some(self, true);
	if (index != NONE)
		return index;
	if (it->session == it->pid)
		must(sys(__NR_setsid), "cannot make the session", it->pid);
	tree_take_terminal(it);
	index = make_some(self, false);
	if (index == NONE && it->group == it->pid && it->session != it->pid)
		must(sys(__NR_setpgid, 0, 0), "cannot make the process group", it->pid);
	return index;
}

/* Stands for the leader of a group who is gone, until all are in it. */
static long lead_group(uint32_t group)
{
	long leader = make_process(group, 0);
	if (leader > 0)
		return leader;
	must(sys(__NR_setpgid, 0, 0), "cannot make the process group", group);
	tree_arrive(STAGE_BORN);
	tree_await(STAGE_GROUPED);
	sys(__NR_exit_group, 0);
	__builtin_unreachable();
}

static _Noreturn void end_as(uint32_t status)
{
	const struct kernel_sigaction plain = {0};
	const uint64_t no_core[2] = {0, 0}, none = 0;
	uint32_t signal = status & 0x7f;
	if (signal != 0) {
		sys(__NR_prlimit64, 0, RLIMIT_CORE, no_core, 0);
		sys(__NR_rt_sigaction, signal, &plain, 0, SIGNAL_SET_SIZE);
		sys(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, 0, SIGNAL_SET_SIZE);
		sys(__NR_kill, loader.tid, signal);
	}
	sys(__NR_exit_group, status >> 8 & 0xff);
	__builtin_unreachable();
}

static void await_zombies(void)
{
	for (uint32_t i = 1; i < tree.count; i++)
		if (tree.member[i].state == SNAPIMG_MEMBER_ZOMBIE && tree.member[i].parent == tree_own()->pid)
			sys(__NR_waitid, P_PID, tree.member[i].pid, 0, WEXITED | WNOWAIT, 0);
}

void tree_join_group(void)
{
	const struct snapimg_member *it = tree_own();
	long leader = tree_begins_group(tree.self) ? lead_group(it->group) : 0;
	tree_arrive(STAGE_BORN);
	tree_await(STAGE_BORN);
	if (tree_shares_descriptors(it)) /* not before: who is born has no copy of it */
		image_keep_own();
	if (it->group != 0 && sys(__NR_getpgid, 0) != (long)it->group)
		must(sys(__NR_setpgid, 0, it->group), "cannot join the process group", it->group);
	tree_arrive(STAGE_GROUPED);
	if (it->state == SNAPIMG_MEMBER_ZOMBIE)
		end_as(it->status);
	tree_await(STAGE_GROUPED);
	if (leader > 0)
		sys(__NR_wait4, leader, 0, 0, 0);
	tree_give_foreground();
	await_zombies();
}
