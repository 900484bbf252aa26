/* Memory without a name comes from one process and may be in others: its children of before, its parent, or
 * whoever got a descriptor. */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "tracer/capture/memory/shared.h"

/* Of a segment the kernel counts who has it (capture/ipc.c); and another namespace has its own ids. */
static const struct shared_memory *find_shared(const struct shared *shared, const struct maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		for (size_t k = 0; maps->vma[i].shared && k < shared->count; k++)
			if (shared->memory[k].shared && !shared->memory[k].segment &&
			    is_same_shared(&maps->vma[i], shared->memory[k].first))
				return &shared->memory[k];
	return NULL;
}

/* Of processes that may not be looked at nothing is known. */
static const struct shared_memory *find_in_process(const struct shared *shared, pid_t pid)
{
	struct maps maps;

	if (maps_try_read(pid, &maps) < 0)
		return NULL;
	const struct shared_memory *found = find_shared(shared, &maps);
	maps_free(&maps);
	return found;
}

static bool any_is_shared(const struct shared *shared)
{
	bool any = false;

	for (size_t i = 0; i < shared->count; i++)
		any = any || (shared->memory[i].shared && !shared->memory[i].segment);
	return any;
}

static bool is_one_of(const struct shared_process *process, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (process[i].remote->tid == proc_living(pid))
			return true;
	return false;
}

enum status shared_check_others(const struct shared_process *process, size_t count,
                                const struct shared *shared)
{
	DIR *directory = any_is_shared(shared) ? opendir("/proc") : NULL;
	enum status status = STATUS_OK;
	struct dirent *entry;
	const struct shared_memory *found = NULL;

	while (directory && !found && (entry = readdir(directory))) {
		pid_t other = atoi(entry->d_name);
		if (other > 0 && !is_one_of(process, count, other) && other != getpid())
			found = find_in_process(shared, other);
	}
	if (found)
		status = pass_refusal(refuse_shared(found, "memory that another process has, too",
		                                    "choose a point before it is shared"));
	if (directory)
		closedir(directory);
	return status;
}
