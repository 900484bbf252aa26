/* Where the processes of a tree wait for each other, how all of them hear that one failed, and which of them
 * opens a file first. */
#include <stddef.h> /* for <asm/signal.h> of Linux 5.10 */

#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/futex.h>
#include <linux/wait.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/become/tree.h"
#include "restore/become/tree_parts.h"
#include "restore/loader.h"

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

void tree_add_undo(bool is_first)
{
	undo_add(is_first ? end_all : note_failure);
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
		bool is_own = it->parent == tree_own()->pid;
		if (is_own ? has_ended(it->pid)
		           : tree.self == 0 && it->parent == 0 && sys(__NR_kill, it->pid, 0) == -ESRCH)
			tell_failure(FAILURE_SILENT);
	}
	if (tree.self != 0 && sys(__NR_kill, tree.member[0].pid, 0) == -ESRCH)
		tell_failure(FAILURE_SILENT);
}

/* --- meeting */

void tree_arrive(enum stage stage)
{
	struct meeting *meeting = tree.meeting;
	if (__atomic_add_fetch(&meeting->arrived[stage], 1, __ATOMIC_SEQ_CST) == meeting->wanted[stage])
		sys(__NR_futex, &meeting->arrived[stage], FUTEX_WAKE, INT32_MAX);
}

void tree_await(enum stage stage)
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

/* --- files */

void tree_hold(void)
{
	enum { FREE, HELD, AWAITED };
	const int64_t while_ns[2] = {0, LOOK_NS};
	uint32_t *word = &tree.meeting->lock, free = FREE;
	if (__atomic_compare_exchange_n(word, &free, HELD, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	while (__atomic_exchange_n(word, AWAITED, __ATOMIC_SEQ_CST) != FREE) {
		if (__atomic_load_n(&tree.meeting->failure, __ATOMIC_SEQ_CST) != FAILURE_NONE)
			leave();
		if (sys(__NR_futex, word, FUTEX_WAIT, AWAITED, while_ns) == -ETIMEDOUT)
			look_after_others();
	}
}

void tree_let_go(void)
{
	if (__atomic_exchange_n(&tree.meeting->lock, 0, __ATOMIC_SEQ_CST) > 1)
		sys(__NR_futex, &tree.meeting->lock, FUTEX_WAKE, 1);
}

/* FNV-1a. */
static uint32_t hash(const char *text)
{
	uint32_t value = 2166136261u;
	for (; *text != '\0'; text++)
		value = (value ^ (uint8_t)*text) * 16777619u;
	return value != 0 ? value : 1;
}

/* Whether it was not there. Where there are too many, each is taken for one that was. */
static bool add(const char *path)
{
	struct meeting *meeting = tree.meeting;
	uint32_t value = hash(path), place = value % NAMES_MAX;
	while (meeting->name[place] != 0 && meeting->name[place] != value)
		place = (place + 1) % NAMES_MAX;
	if (meeting->name[place] == value || meeting->names >= NAMES_MAX / 2)
		return false;
	meeting->name[place] = value;
	meeting->names++;
	return true;
}

bool tree_is_first_to_open(const char *path)
{
	tree_hold();
	bool is_first = add(path);
	if (!is_first)
		tree_let_go();
	return is_first;
}
