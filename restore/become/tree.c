/*
 * A tree is made from its first process on: that makes what several have (open descriptions, shared memory),
 * then each makes its children, as they were recorded: those of before it had a session of its own, then the
 * others. Whose parent is init is made by a process that ends at once; a session or process group whose
 * leader is gone, by one with the leader's ID that ends when all are in it. Zombies end as they had.
 *
 * A failure of any ends all: the first process kills the others, and they end themselves when they see that
 * it is gone.
 */
#include "restore/become/tree.h"

#include <stddef.h> /* for <asm/signal.h> of Linux 5.10 */

#include <asm/errno.h>
#include <asm/resource.h>
#include <asm/signal.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "restore/base/limits.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/become/directory.h"
#include "restore/fds/objects.h"
#include "restore/fds/table.h"
#include "restore/loader.h"
#include "restore/zone.h"

/* Where all meet. */
enum stage { STAGE_BORN, STAGE_GROUPED, STAGE_READY, STAGE_SET, STAGES };
enum failure { FAILURE_NONE, FAILURE_TOLD, FAILURE_SILENT };
enum { NONE = -1, ANY_SESSION = -1, LOOK_NS = 20000000 };

/* In memory that all have. */
struct meeting {
	uint32_t arrived[STAGES];
	uint32_t wanted[STAGES];
	uint32_t failure;
};

static struct {
	struct meeting *meeting;
	const struct snapimg_member *member; /* a copy of TREE */
	uint32_t count, self;
	const int32_t *pool; /* by object of the first process: its descriptor, then its other end's */
	uint32_t pool_count;
	uint32_t descriptors_end;
} tree;

bool tree_is_one(void)
{
	return tree.count > 0;
}

bool tree_leads_group(void)
{
	return snapimg_member_count(&loader.image) > 0 && snapimg_get_member(&loader.image)->group != 0;
}

bool tree_is_member(void)
{
	return tree.self > 0;
}

uint32_t tree_descriptors_end(void)
{
	return tree.descriptors_end;
}

static const struct snapimg_member *own(void)
{
	return &tree.member[tree.self];
}

static int find(uint32_t pid)
{
	for (uint32_t i = 0; i < tree.count; i++)
		if (tree.member[i].pid == pid)
			return (int)i;
	return NONE;
}

/* --- failure */

static void wake_all(void)
{
	for (int stage = 0; stage < STAGES; stage++)
		sys(__NR_futex, &tree.meeting->arrived[stage], FUTEX_WAKE, INT32_MAX);
}

static void tell_failure(enum failure failure)
{
	uint32_t none = FAILURE_NONE;
	__atomic_compare_exchange_n(&tree.meeting->failure, &none, (uint32_t)failure, false, __ATOMIC_SEQ_CST,
	                            __ATOMIC_SEQ_CST);
	wake_all();
}

/* Of the first process. Who only helps to make others sees it. */
static void end_all(void)
{
	tell_failure(FAILURE_TOLD);
	for (uint32_t i = 1; i < tree.count; i++)
		sys(__NR_kill, tree.member[i].pid, SIGKILL);
}

static void note_failure(void)
{
	tell_failure(FAILURE_TOLD);
}

static _Noreturn void leave(void)
{
	if (tree.self == 0 && (tree.meeting->failure == FAILURE_SILENT || die_instead != NULL))
		die(EXIT_REFUSED, loader.options.image,
		    ": a process of the tree was ended while it was started");
	undo_all();
	sys(__NR_exit_group, EXIT_REFUSED);
	__builtin_unreachable();
}

static bool has_ended(uint32_t pid)
{
	int32_t info[32] = {0}; /* siginfo_t */
	long result = sys(__NR_waitid, P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT, 0);
	return result < 0 || info[0] != 0;
}

/* Who waits looks after its children; the first one after init's, and all after the first. */
static void look_after_others(void)
{
	for (uint32_t i = 1; i < tree.count; i++) {
		const struct snapimg_member *it = &tree.member[i];
		if (it->state == SNAPIMG_MEMBER_ZOMBIE || i == tree.self)
			continue;
		bool is_own = it->parent == own()->pid;
		if (is_own ? has_ended(it->pid)
		           : tree.self == 0 && it->parent == 0 && sys(__NR_kill, it->pid, 0) == -ESRCH)
			tell_failure(FAILURE_SILENT);
	}
	if (tree.self != 0 && sys(__NR_kill, tree.member[0].pid, 0) == -ESRCH)
		tell_failure(FAILURE_SILENT);
}

/* --- meeting */

static void arrive(enum stage stage)
{
	struct meeting *meeting = tree.meeting;
	if (__atomic_add_fetch(&meeting->arrived[stage], 1, __ATOMIC_SEQ_CST) == meeting->wanted[stage])
		sys(__NR_futex, &meeting->arrived[stage], FUTEX_WAKE, INT32_MAX);
}

static void await(enum stage stage)
{
	const int64_t while_ns[2] = {0, LOOK_NS};
	struct meeting *meeting = tree.meeting;
	for (;;) {
		uint32_t arrived = __atomic_load_n(&meeting->arrived[stage], __ATOMIC_SEQ_CST);
		if (arrived >= meeting->wanted[stage])
			return;
		if (__atomic_load_n(&meeting->failure, __ATOMIC_SEQ_CST) != FAILURE_NONE)
			leave();
		if (sys(__NR_futex, &meeting->arrived[stage], FUTEX_WAIT, arrived, while_ns) == -ETIMEDOUT &&
		    stage != STAGE_BORN) /* before, not all are there yet */
			look_after_others();
	}
}

/* --- sessions and groups */

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
	return id != 0 && find(id) == NONE;
}

/* Whether this is the first process of a group that has no leader, and that its session's is not, too. */
static bool begins_group(uint32_t index)
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

static long try_process(uint32_t pid)
{
	int32_t wanted = (int32_t)pid;
	struct clone_args arguments = {
	        .exit_signal = SIGCHLD, .set_tid = (uint64_t)&wanted, .set_tid_size = 1};
	long result = sys(__NR_clone3, &arguments, sizeof arguments);
	if (result == 0) { /* what is to be undone is the maker's to undo */
		undo_forget();
		undo_add(note_failure);
		die_instead = NULL;
		loader.tid = pid;
	}
	return result;
}

static long make_process(uint32_t pid)
{
	long result = try_process(pid);
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
			result = try_process(id);
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image, ": no process can be made: ", error_text(result),
		    ": raise ulimit -u");
	return result;
}

/* Who makes a process that is init's child: one in whose session it is born, else the first. */
static uint32_t maker_of(uint32_t orphan)
{
	int64_t session = birth_session(orphan);
	int maker = session > 0 ? find((uint32_t)session) : NONE;
	return maker == NONE ? 0 : (uint32_t)maker;
}

/* By a process in between that ends at once, the leader of their session if that is gone. Returns the index
 * in the new process, NONE in the maker. */
static int make_orphans(uint32_t first)
{
	int64_t session = birth_session(first);
	bool leads = session > 0 && is_leaderless((uint32_t)session);
	long between = leads ? make_process((uint32_t)session) : make_between();
	if (between > 0) {
		sys(__NR_wait4, between, 0, 0, 0);
		return NONE;
	}
	if (leads)
		must(sys(__NR_setsid), "cannot make the session", loader.tid);
	for (uint32_t i = first; i < tree.count; i++)
		if (tree.member[i].parent == 0 && (i == first || (leads && birth_session(i) == session)) &&
		    make_process(tree.member[i].pid) == 0)
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

static int make_some(uint32_t self, bool early)
{
	const struct snapimg_member *parent = &tree.member[self];
	for (uint32_t i = 1; i < tree.count; i++) {
		const struct snapimg_member *it = &tree.member[i];
		if (it->parent == parent->pid) {
			if (is_early(parent, i) == early && make_process(it->pid) == 0)
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
static int make_children(uint32_t self)
{
	const struct snapimg_member *it = &tree.member[self];
	int index = make_some(self, true);
	if (index != NONE)
		return index;
	if (it->session == it->pid)
		must(sys(__NR_setsid), "cannot make the session", it->pid);
	index = make_some(self, false);
	if (index == NONE && it->group == it->pid && it->session != it->pid)
		must(sys(__NR_setpgid, 0, 0), "cannot make the process group", it->pid);
	return index;
}

/* Stands for the leader of a group who is gone, until all are in it. */
static long lead_group(uint32_t group)
{
	long leader = make_process(group);
	if (leader > 0)
		return leader;
	must(sys(__NR_setpgid, 0, 0), "cannot make the process group", group);
	arrive(STAGE_BORN);
	await(STAGE_GROUPED);
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
		if (tree.member[i].state == SNAPIMG_MEMBER_ZOMBIE && tree.member[i].parent == own()->pid)
			sys(__NR_waitid, P_PID, tree.member[i].pid, 0, WEXITED | WNOWAIT, 0);
}

static void join_group(void)
{
	const struct snapimg_member *it = own();
	long leader = begins_group(tree.self) ? lead_group(it->group) : 0;
	arrive(STAGE_BORN);
	await(STAGE_BORN);
	if (it->group != 0 && sys(__NR_getpgid, 0) != (long)it->group)
		must(sys(__NR_setpgid, 0, it->group), "cannot join the process group", it->group);
	arrive(STAGE_GROUPED);
	if (it->state == SNAPIMG_MEMBER_ZOMBIE)
		end_as(it->status);
	await(STAGE_GROUPED);
	if (leader > 0)
		sys(__NR_wait4, leader, 0, 0, 0);
	await_zombies();
}

/* --- the first process */

static void count_all(void)
{
	uint32_t *wanted = tree.meeting->wanted;
	for (uint32_t i = 0; i < tree.count; i++) {
		bool lives = tree.member[i].state != SNAPIMG_MEMBER_ZOMBIE;
		wanted[STAGE_BORN] += 1u + (begins_group(i) ? 1u : 0u);
		wanted[STAGE_GROUPED]++;
		wanted[STAGE_READY] += lives;
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
	tree.self = index;
	if (it->state == SNAPIMG_MEMBER_ZOMBIE)
		return;
	loader.options.arguments_given = false;
	loader.options.verbose = false;
	files_forget();
	directory_forget();
	descriptors_restart();
	image_open_part(it->offset, it->size, it->digest);
}

void tree_enter(void)
{
	if (snapimg_member_count(&loader.image) == 0)
		return;
	if (loader.options.override_count > 0)
		die(EXIT_REFUSED, "--fd: ", loader.options.image, " is a tree of processes: leave it out");
	tree.count = snapimg_member_count(&loader.image);
	make_room();
	count_all();
	hear_children();
	undo_add(end_all);
	descriptors_begin();
	shared_make();
	objects_make();
	objects_copy_numbers((int32_t *)(uint64_t)tree.pool);
	uint32_t self = 0;
	for (int next; (next = make_children(self)) != NONE; self = (uint32_t)next)
		tree.self = (uint32_t)next;
	if (self != 0)
		become_member(self);
	join_group();
	if (self == 0)
		return;
	machine_check();
	mappings_check();
}

/* --- in each */

int tree_object(uint64_t index)
{
	return index < tree.pool_count ? tree.pool[index] : NONE;
}

void tree_leave_objects(void)
{
	if (!tree_is_member())
		return;
	for (uint32_t i = 0; i < 2 * tree.pool_count; i++)
		if (tree.pool[i] != NONE)
			sys(__NR_close, tree.pool[i]);
}

void tree_await_ready(void)
{
	if (!tree_is_one())
		return;
	arrive(STAGE_READY);
	await(STAGE_READY);
}

/* The terminal's signals stop nobody in a group that nobody minds (kernel/signal.c, get_signal()); then it is
 * SIGSTOP. Who was stopped finds the SIGCONT that ended that, blocked as all others are. */
static void stop(void)
{
	const struct kernel_sigaction plain = {0};
	const uint64_t went_on = (uint64_t)1 << (SIGCONT - 1);
	struct kernel_sigaction own_action = {0};
	uint32_t number = own()->status & ~(uint32_t)SNAPIMG_STOP_TOLD;
	uint64_t mask = (uint64_t)1 << (number - 1), pending = 0;
	if (number != SIGSTOP) {
		sys(__NR_rt_sigaction, number, &plain, &own_action, SIGNAL_SET_SIZE);
		sys(__NR_rt_sigprocmask, 1 /* SIG_UNBLOCK */, &mask, 0, SIGNAL_SET_SIZE);
		sys(__NR_kill, loader.tid, number);
		sys(__NR_rt_sigaction, number, &own_action, 0, SIGNAL_SET_SIZE);
		sys(__NR_rt_sigpending, &pending, SIGNAL_SET_SIZE);
	}
	if ((pending & went_on) == 0)
		sys(__NR_kill, loader.tid, SIGSTOP);
}

static bool has_pending(int number)
{
	const struct snapimg_pending *pending = snapimg_get_pending(&loader.image);
	int32_t found;
	for (uint32_t i = 0; i < snapimg_pending_count(&loader.image); i++) {
		memcpy(&found, pending[i].info, sizeof found);
		if (found == number && pending[i].thread == 0)
			return true;
	}
	return false;
}

/* What the program had heard of its children's stops it does not hear again. */
static void hear_stops(void)
{
	const uint64_t child = (uint64_t)1 << (SIGCHLD - 1);
	const int64_t at_once[2] = {0, 0};
	bool any = false;
	for (uint32_t i = 1; i < tree.count; i++) {
		const struct snapimg_member *it = &tree.member[i];
		if (it->state != SNAPIMG_MEMBER_STOPPED || it->parent != own()->pid)
			continue;
		any = true;
		sys(__NR_waitid, P_PID, it->pid, 0, WSTOPPED | WEXITED | WNOWAIT, 0);
		if ((it->status & SNAPIMG_STOP_TOLD) != 0)
			sys(__NR_waitid, P_PID, it->pid, 0, WSTOPPED | WNOHANG, 0);
	}
	if (any && !has_pending(SIGCHLD))
		sys(__NR_rt_sigtimedwait, &child, 0, at_once, SIGNAL_SET_SIZE);
}

void tree_await_set(void)
{
	if (!tree_is_one())
		return;
	undo_add(tree_is_member() ? note_failure : end_all);
	arrive(STAGE_SET);
	if (own()->state != SNAPIMG_MEMBER_STOPPED)
		await(STAGE_SET);
	hear_stops();
	if (own()->state == SNAPIMG_MEMBER_STOPPED)
		stop();
	undo_forget();
}
