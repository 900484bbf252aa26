#include "tracer/follow/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/proc.h"
#include "tracer/follow/attach.h"
#include "tracer/follow/tree_sharing.h"
#include "tracer/ptrace/wait.h"
#include "tracer/refusals.h"

enum { ANY_SESSION = -1 };

void tree_free(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		stopped_threads_free(&tree->process[i].threads);
	free(tree->process);
	*tree = (struct tree){0};
}

static struct tree_process *find(const struct tree *tree, pid_t pid)
{
	for (size_t i = 0; i < tree->count; i++)
		if ((pid_t)tree->process[i].record.pid == pid)
			return &tree->process[i];
	return NULL;
}

/* A main thread that has ended before the others is one, too: then the process lives. */
static bool is_zombie(pid_t pid, const struct proc_stat *stat)
{
	return (stat->state == 'Z' || stat->state == 'X') && proc_has_ended(pid);
}

/* Who is followed and ends is told of to its parent when we have heard it (ptrace(2)). */
static void hear_end(pid_t pid)
{
	struct tracee *tracee = tracee_find(pid);
	int status;

	if (tracee && waitpid(pid, &status, __WALL | WNOHANG) == pid)
		tracee_remove(tracee);
}

static enum status add(struct tree *tree, pid_t pid, const struct proc_stat *stat, bool is_orphan)
{
	struct tree_process *it = array_add(tree->process, tree->count);

	if (!it)
		return fail(STATUS_FAILED, "out of memory");
	*it = (struct tree_process){
	        .record = {.pid = (uint32_t)pid,
	                   .parent = is_orphan ? 0 : (uint32_t)stat->field[STAT_PPID],
	                   .state = is_zombie(pid, stat) ? SNAPIMG_MEMBER_ZOMBIE : SNAPIMG_MEMBER_ALIVE},
	        .start_time = stat->field[STAT_START_TIME]};
	return STATUS_OK;
}

struct look {
	struct tree *tree;
	enum status status;
};

static bool add_child(void *context, pid_t pid, const struct proc_stat *stat)
{
	struct look *look = context;

	if (find(look->tree, pid) || stat->state == 'X')
		return true;
	if (is_zombie(pid, stat))
		hear_end(pid);
	look->status = add(look->tree, pid, stat, false);
	return look->status == STATUS_OK;
}

/* Where the tree holds all that is followed: who is, and whose parent has ended. */
static void add_orphans(struct look *look)
{
	for (struct tracee *it = tracee_next(NULL); it && look->status == STATUS_OK; it = tracee_next(it)) {
		pid_t pid = it->process->pid;
		struct proc_stat stat;
		if (find(look->tree, pid) || proc_try_read_stat(pid, &stat) < 0 || stat.state == 'X' ||
		    is_zombie(pid, &stat) || find(look->tree, (pid_t)stat.field[STAT_PPID]) ||
		    process_find((pid_t)stat.field[STAT_PPID]))
			continue;
		look->status = add(look->tree, pid, &stat, true);
	}
}

/* Who is a descendant of those that are known, at any depth. */
static enum status look_around(struct tree *tree, bool all, bool *ret_new)
{
	struct look look = {.tree = tree, .status = STATUS_OK};
	size_t known = tree->count, looked = 0;

	while (looked < tree->count && look.status == STATUS_OK) {
		for (; looked < tree->count && look.status == STATUS_OK; looked++)
			proc_visit_children((pid_t)tree->process[looked].record.pid, add_child, &look);
		if (all && look.status == STATUS_OK)
			add_orphans(&look);
	}
	*ret_new = tree->count > known;
	return look.status;
}

/* It may end before it is stopped: then it is a zombie, or nothing. */
static enum status stop_one(const struct run *run, struct tree *tree, size_t index,
                            const struct tracee *point, struct stopped_threads *threads,
                            const struct stop_means *means)
{
	pid_t pid = (pid_t)tree->process[index].record.pid;
	struct tracee *tracee = tracee_find(pid);
	enum status status = STATUS_OK;

	if (pid == point->process->pid) {
		tree->process[index].threads = *threads;
		*threads = (struct stopped_threads){0};
		return STATUS_OK;
	}

	if (!tracee && process_status_number(pid, "TracerPid") != getpid()) {
		struct proc_stat stat;
		if (proc_try_read_stat(pid, &stat) < 0 || is_zombie(pid, &stat))
			return STATUS_OK;
		if (!run->options->attach)
			return refuse("a process of the tree that snaptrace doesn't follow",
			              "freeze it with snaptrace PROG, from its start on", "process %d", pid);
		if ((status = attach_to_member(pid, &tracee)) != STATUS_OK || !tracee)
			return status;
	}
	if (!tracee && (status = tracee_adopt(pid, &tracee)) != STATUS_OK)
		return status;
	return stop_process(tracee, means, &tree->process[index].threads);
}

static const struct stopped_thread *any_thread(const struct stopped_threads *threads)
{
	return &threads->thread[threads->thread[0].has_ended];
}

/* What became of those that ended meanwhile. */
static enum status settle(struct tree *tree, const struct tracee *point)
{
	for (size_t i = 0; i < tree->count; i++) {
		struct tree_process *it = &tree->process[i];
		pid_t pid = (pid_t)it->record.pid;
		struct proc_stat stat;
		if (!tracee_stands(pid)) /* whom it was looked at through has ended, too */
			proc_look_directly(pid);
		bool is_there = proc_try_read_stat(pid, &stat) == 0;

		if ((i == 0 || pid == point->process->pid) && (!is_there || is_zombie(pid, &stat)))
			return fail(STATUS_FAILED, "the program ended: process %d: while it was being frozen",
			            pid);
		if (is_there && is_zombie(pid, &stat)) {
			hear_end(pid);
			is_there = proc_try_read_stat(pid, &stat) == 0; /* its parent may ignore its end */
			/* An orphan's end is init's to hear, which it does at any time. */
			is_there = is_there &&
			           (!is_zombie(pid, &stat) || find(tree, (pid_t)stat.field[STAT_PPID]));
		}
		if (!is_there) {
			stopped_threads_free(&it->threads);
			memmove(it, it + 1, (--tree->count - i) * sizeof(*it));
			i--;
			continue;
		}
		it->tracee = tracee_find(proc_living(pid));
		it->record.parent = it->record.parent ? (uint32_t)stat.field[STAT_PPID] : 0;
		if (it->record.parent && !find(tree, (pid_t)it->record.parent))
			it->record.parent = 0; /* it ended just now */
		it->record.state = SNAPIMG_MEMBER_ALIVE;
		if (is_zombie(pid, &stat)) {
			it->record.state = SNAPIMG_MEMBER_ZOMBIE;
			it->record.status = (uint32_t)stat.field[STAT_EXIT_CODE] & 0xffff;
			it->tracee = NULL;
		} else if (it->threads.count && any_thread(&it->threads)->in_group_stop) {
			it->record.state = SNAPIMG_MEMBER_STOPPED;
			it->record.status = (uint32_t)any_thread(&it->threads)->stop_signal;
		}
	}
	return STATUS_OK;
}

static int by_birth(const void *left, const void *right)
{
	const struct tree_process *a = left, *b = right;

	if (a->start_time != b->start_time)
		return a->start_time < b->start_time ? -1 : 1;
	return (a->record.pid > b->record.pid) - (a->record.pid < b->record.pid);
}

/* By birth, but each after its parent: IDs wrap around, and births of one clock tick can't be told apart. */
static void sort(struct tree *tree)
{
	if (tree->count > 2)
		qsort(tree->process + 1, tree->count - 1, sizeof(*tree->process), by_birth);
	for (size_t i = 1; i < tree->count; i++) {
		size_t next = i;
		while (next < tree->count) {
			const struct tree_process *parent =
			        find(tree, (pid_t)tree->process[next].record.parent);
			if (!parent || parent < &tree->process[i])
				break;
			next++;
		}
		if (next == i || next == tree->count)
			continue;
		struct tree_process moved = tree->process[next];
		memmove(&tree->process[i + 1], &tree->process[i], (next - i) * sizeof(moved));
		tree->process[i] = moved;
	}
}

/* The caller's own session and group are 0. Of a process that ran before, its own are as good as ours. */
static enum status read_groups(const struct run *run, struct tree *tree)
{
	pid_t session = getsid(0), group = getpgrp();
	struct proc_stat stat;
	enum status status;

	for (size_t i = 0; i < tree->count; i++) {
		struct snapimg_member *record = &tree->process[i].record;
		if ((status = proc_read_stat((pid_t)record->pid, &stat)) != STATUS_OK)
			return status;
		if (i == 0 && run->options->attach) {
			session = (pid_t)stat.field[STAT_SESSION];
			group = (pid_t)stat.field[STAT_PGRP];
		}
		record->session =
		        (pid_t)stat.field[STAT_SESSION] == session ? 0 : (uint32_t)stat.field[STAT_SESSION];
		record->group = (pid_t)stat.field[STAT_PGRP] == group ? 0 : (uint32_t)stat.field[STAT_PGRP];
	}
	return STATUS_OK;
}

/* What a start gives the caller's terminal to, where that is not the first process's group, which gets it
 * anyway (ATTRIBUTES); and the terminals of sessions in the tree. */
static void note_foreground(struct tree *tree)
{
	const struct snapimg_member *root = &tree->process->record;

	for (size_t i = 0; i < tree->count; i++) {
		struct snapimg_member *it = &tree->process[i].record;
		struct proc_stat stat;
		if (it->state != SNAPIMG_MEMBER_ZOMBIE && (it->session != 0 || it->group != root->group) &&
		    proc_try_read_stat((pid_t)it->pid, &stat) == 0 && stat.field[STAT_TERMINAL] != 0 &&
		    stat.field[STAT_FOREGROUND] == stat.field[STAT_PGRP])
			it->status |= SNAPIMG_MEMBER_FOREGROUND;
	}
}

/* The session that it was born in, as far as its own children tell; -1: any. */
static int64_t birth_session(const struct tree *tree, const struct tree_process *it)
{
	const struct snapimg_member *record = &it->record;

	if (record->session != record->pid)
		return record->session;
	for (const struct tree_process *child = it + 1; child < tree->process + tree->count; child++) {
		int64_t session =
		        child->record.parent == record->pid ? birth_session(tree, child) : ANY_SESSION;
		if (session != ANY_SESSION && session != record->pid)
			return session;
	}
	return ANY_SESSION;
}

/* A start makes each by its parent, before or after that one has made its own session
 * (restore/become/tree.c). */
static enum status check_sessions(const struct tree *tree)
{
	const struct snapimg_member *root = &tree->process->record;
	enum status status = STATUS_OK;

	if (root->session != 0 && root->session != root->pid && root->group != root->session &&
	    root->group != root->pid)
		status = pass_refusal(
		        refuse("a process group of another process, in a session whose leader has gone",
		               "choose another point", "process %u", root->pid));
	for (size_t i = 1; i < tree->count && status == STATUS_OK; i++) {
		const struct tree_process *it = &tree->process[i];
		const struct tree_process *parent = find(tree, (pid_t)it->record.parent);
		int64_t session = birth_session(tree, it);
		if (!parent || session == ANY_SESSION || session == parent->record.session ||
		    (parent->record.session == parent->record.pid &&
		     (birth_session(tree, parent) == session || (parent == tree->process && session == 0))))
			continue;
		status = pass_refusal(refuse("a process in a session that its parent was never in",
		                             "choose another point", "process %u, a child of process %u",
		                             it->record.pid, it->record.parent));
	}
	return status;
}

enum status tree_add(struct tree *tree, struct tracee *tracee, struct stopped_threads *threads,
                     enum status status)
{
	struct tree_process *it = array_add(tree->process, tree->count);

	if (!it)
		return fail(STATUS_FAILED, "out of memory");
	it->record.pid = (uint32_t)tracee->process->pid;
	it->tracee = tracee_find(tracee->process->pid);
	it->threads = *threads;
	*threads = (struct stopped_threads){0};
	return status;
}

enum status tree_stop(const struct run *run, const struct tracee *point, const struct stop_means *means,
                      struct stopped_threads *threads, struct tree *ret_tree)
{
	pid_t root = run->options->whole ? run->root : point->process->pid;
	bool all = !run->options->attach && root == run->root, new_ones = true, refused = false;
	struct tree *tree = ret_tree;
	enum status status;
	struct proc_stat stat;
	size_t stopped = 0;

	if (!tracee_find(root))
		return fail(STATUS_FAILED, "--whole: process %d, which was PROG, has ended: leave it out",
		            root);
	if ((status = proc_read_stat(root, &stat)) != STATUS_OK ||
	    (status = add(tree, root, &stat, true)) != STATUS_OK)
		return status;
	while (status == STATUS_OK && new_ones) {
		for (; stopped < tree->count && status == STATUS_OK; stopped++)
			if (tree->process[stopped].record.state != SNAPIMG_MEMBER_ZOMBIE) {
				status = stop_one(run, tree, stopped, point, threads, means);
				refused = refused || status == STATUS_REFUSED;
				status = pass_refusal(status);
			}
		new_ones = false;
		if (status == STATUS_OK && !run->options->root_only)
			status = look_around(tree, all, &new_ones);
	}
	if (refused) /* not all stand */
		return STATUS_REFUSED;
	if (status != STATUS_OK || (status = settle(tree, point)) != STATUS_OK)
		return status;
	sort(tree);
	if ((status = read_groups(run, tree)) != STATUS_OK || (status = check_sessions(tree)) != STATUS_OK)
		return status;
	note_foreground(tree);
	return tree_note_sharing(tree);
}
