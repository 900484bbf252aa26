#include "tracer/follow/tree_sharing.h"

#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "tracer/refusals.h"

/* A change that is made in a process, and seen in those that share what it is made to. */
struct mark {
	int64_t value; /* a descriptor, or the umask */
	int64_t before;
};

struct sharing {
	int type;      /* of kcmp(2) */
	uint32_t flag; /* of the member that shares it with its parent */
	const char *what;
	enum status (*set)(const struct remote *remote, struct mark *mark);
	bool (*is_seen)(pid_t pid, const struct mark *mark);
	enum status (*undo)(const struct remote *remote, const struct mark *mark);
};

static enum status open_one(const struct remote *remote, struct mark *mark)
{
	return remote_call(remote, &mark->value, SYS_epoll_create1, 0, 0, 0, 0);
}

static bool has_open(pid_t pid, const struct mark *mark)
{
	return access(proc_path(pid, "fd/%d", (int)mark->value).text, F_OK) == 0;
}

static enum status close_one(const struct remote *remote, const struct mark *mark)
{
	int64_t result;

	return remote_call(remote, &result, SYS_close, (uint64_t)mark->value, 0, 0, 0);
}

static int64_t umask_of(pid_t pid)
{
	struct text text CLEANUP(text_free) = {0};

	if (proc_try_read(proc_path(pid, "status").text, &text) < 0)
		return -1;
	const char *value = proc_value(&text, "Umask");
	return *value ? strtol(value, NULL, 8) : -1;
}

static enum status turn_umask(const struct remote *remote, struct mark *mark)
{
	enum { ALL = 0777 };

	mark->before = umask_of(remote->tid);
	mark->value = ALL ^ (mark->before & ALL);
	return remote_call(remote, &(int64_t){0}, SYS_umask, (uint64_t)mark->value, 0, 0, 0);
}

static bool has_umask(pid_t pid, const struct mark *mark)
{
	return umask_of(pid) == mark->value;
}

static enum status turn_back(const struct remote *remote, const struct mark *mark)
{
	return remote_call(remote, &(int64_t){0}, SYS_umask, (uint64_t)mark->before, 0, 0, 0);
}

static const struct sharing sharings[] = {
        {KCMP_FILES, SNAPIMG_MEMBER_SHARES_DESCRIPTORS,
         "processes that share their descriptors (CLONE_FILES), of which none made the other", open_one,
         has_open, close_one},
        {KCMP_FS, SNAPIMG_MEMBER_SHARES_PLACE,
         "processes that share their working directory (CLONE_FS), of which none made the other", turn_umask,
         has_umask, turn_back},
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
	enum status status = seen ? sharing->set(remote, &mark) : fail(STATUS_FAILED, "out of memory");

	if (status == STATUS_OK && mark.value < 0)
		status = refuse("a process that may share what it has with others (clone)",
		                "allow kcmp(2) or epoll_create1(2)", "process %d", remote->tid);
	if (status == STATUS_OK) {
		for (size_t i = 1; i < count; i++)
			seen[i] = sharing->is_seen((pid_t)process[i]->record.pid, &mark);
		status = sharing->undo(remote, &mark);
	}
	for (size_t i = 1; i < count && status == STATUS_OK; i++) {
		seen[i] = seen[i] && !sharing->is_seen((pid_t)process[i]->record.pid, &mark);
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
