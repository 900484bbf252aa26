#include "tracer/follow/tree_sharing.h"

#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "tracer/ptrace/marks.h"
#include "tracer/refusals.h"

struct sharing {
	int type;      /* of kcmp(2) */
	uint32_t flag; /* of the member that shares it with its parent */
	const char *what;
	const struct mark_kind *mark;
};

static const struct sharing sharings[] = {
        {KCMP_FILES, SNAPIMG_MEMBER_SHARES_DESCRIPTORS,
         "processes that share their descriptors (CLONE_FILES), of which none made the other",
         &mark_of_descriptors},
        {KCMP_FS, SNAPIMG_MEMBER_SHARES_PLACE,
         "processes that share their working directory (CLONE_FS), of which none made the other",
         &mark_of_place},
};

static enum status refuse_two(const struct sharing *sharing, const struct tree_process *one,
                              const struct tree_process *other)
{
	return pass_refusal(refuse(sharing->what, "choose another point", "process %u and process %u",
	                           one->record.pid, other->record.pid));
}

static int sort_type; /* qsort(3) has no place for it */

static int by_sharing(const void *left, const void *right)
{
	const struct tree_process *a = *(struct tree_process *const *)left,
	                          *b = *(struct tree_process *const *)right;
	long order = syscall(SYS_kcmp, proc_living((pid_t)a->record.pid), proc_living((pid_t)b->record.pid),
	                     sort_type, 0, 0);

	return order == 1 ? -1 : order == 2;
}

static const struct tree_process *parent_of(const struct tree_process *child,
                                            struct tree_process *const *process, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (process[i]->record.pid == child->record.parent)
			return process[i];
	return NULL;
}

/* Those that share nothing with their parents are left, and must share nothing with each other. */
static size_t note_children(const struct sharing *sharing, struct tree_process *const *process, size_t count,
                            struct tree_process **ret_others)
{
	size_t others = 0;

	sort_type = sharing->type;
	for (size_t i = 0; i < count; i++) {
		const struct tree_process *parent = parent_of(process[i], process, i);
		if (parent && by_sharing(&parent, &process[i]) == 0)
			process[i]->record.status |= sharing->flag;
		else
			ret_others[others++] = process[i];
	}
	return others;
}

static enum status compare(const struct sharing *sharing, struct tree_process *const *all, size_t all_count)
{
	struct tree_process **process = calloc(all_count, sizeof(*process));
	enum status status = process ? STATUS_OK : fail(STATUS_FAILED, "out of memory");
	size_t count = process ? note_children(sharing, all, all_count, process) : 0;

	if (!process)
		return status;
	qsort(process, count, sizeof(*process), by_sharing);
	for (size_t i = 1; i < count && status == STATUS_OK; i++)
		if (by_sharing(&process[i - 1], &process[i]) == 0)
			status = refuse_two(sharing, process[i - 1], process[i]);
	free(process);
	return status;
}

/* Of those that share it with process[0]: whether its parent is one of them. */
static bool is_made_by_one(struct tree_process *const *process, const bool *seen, size_t index)
{
	const struct tree_process *it = process[index], *other;

	for (size_t i = 0; i < index; i++) {
		other = process[i];
		if ((i == 0 || seen[i]) && other->record.pid == it->record.parent)
			return true;
	}
	return false;
}

/* Who has by chance what is looked for has it without the change, too. */
static enum status try_one(const struct sharing *sharing, const struct remote *remote,
                           struct tree_process *const *process, size_t count)
{
	bool *seen = calloc(count, sizeof(*seen));
	struct mark mark = {0};
	enum status status = seen ? sharing->mark->set(remote, &mark) : fail(STATUS_FAILED, "out of memory");

	if (status == STATUS_OK && mark.value < 0)
		status = refuse("a process that may share what it has with others (clone)",
		                "allow kcmp(2) or epoll_create1(2)", "process %d", remote->tid);
	if (status == STATUS_OK) {
		for (size_t i = 1; i < count; i++)
			seen[i] = sharing->mark->is_seen((pid_t)process[i]->record.pid, &mark);
		status = sharing->mark->undo(remote, &mark);
	}
	for (size_t i = 1; i < count && status == STATUS_OK; i++) {
		seen[i] = seen[i] && !sharing->mark->is_seen((pid_t)process[i]->record.pid, &mark);
		if (seen[i] && is_made_by_one(process, seen, i))
			process[i]->record.status |= sharing->flag;
		else if (seen[i])
			status = refuse_two(sharing, process[0], process[i]);
	}
	free(seen);
	return status;
}

static enum status try_all(struct tree_process *const *process, size_t count)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i + 1 < count && status == STATUS_OK; i++) {
		struct remote_gate gate = process[i]->tracee->process->gate;
		pid_t pid = (pid_t)process[i]->record.pid;
		struct remote remote = {0};
		if ((status = remote_find_gate(pid, gate.back != 0, &gate)) != STATUS_OK)
			break;
		status = remote_enter(pid, &gate, &remote);
		for (size_t k = 0; k < sizeof(sharings) / sizeof(*sharings) && status == STATUS_OK; k++)
			status = try_one(&sharings[k], &remote, process + i, count - i);
		enum status left = remote_leave(&remote);
		status = status == STATUS_OK ? left : status;
	}
	return status;
}

enum status tree_note_sharing(struct tree *tree)
{
	struct tree_process **living = calloc(tree->count, sizeof(*living));
	enum status status = living ? STATUS_OK : fail(STATUS_FAILED, "out of memory");
	size_t count = 0;

	for (size_t i = 0; living && i < tree->count; i++)
		if (tree->process[i].record.state != SNAPIMG_MEMBER_ZOMBIE)
			living[count++] = &tree->process[i];
	if (count > 1 && syscall(SYS_kcmp, getpid(), getpid(), KCMP_FS, 0, 0) != 0)
		status = try_all(living, count);
	else
		for (size_t k = 0;
		     k < sizeof(sharings) / sizeof(*sharings) && count > 1 && status == STATUS_OK; k++)
			status = compare(&sharings[k], living, count);
	free(living);
	return status;
}
