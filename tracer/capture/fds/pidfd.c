/* A pidfd of the process itself, of another one of its tree, or of one that has ended. */
#include <fcntl.h>

#include "tracer/capture/fds/kinds.h"

static bool is_surveyed(const struct survey *survey, pid_t pid)
{
	for (size_t i = 0; i < survey->process_count; i++)
		if (survey->process[i].pid == pid)
			return true;
	return false;
}

/* Zombies of the tree have no descriptors, so they are not among those that are looked at. */
static bool is_of_tree(const struct survey *survey, pid_t pid)
{
	struct proc_stat stat;

	return is_surveyed(survey, pid) || (proc_try_read_stat(pid, &stat) == 0 && stat.state == 'Z' &&
	                                    is_surveyed(survey, (pid_t)stat.field[STAT_PPID]));
}

enum status take_pidfd(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	bool of_thread = (it->flags & O_EXCL) != 0; /* PIDFD_THREAD, Linux 6.9 */
	uint64_t pid = proc_number(&it->info, "Pid", 10);

	if (!of_thread && pid == UINT64_MAX) { /* -1, once it was waited for */
		object->kind = SNAPIMG_OBJECT_ENDED;
		return STATUS_OK;
	}
	if (of_thread || !is_of_tree(taking->survey, (pid_t)pid))
		return refuse_descriptor(taking->survey, it, "a pidfd of another process or of a thread",
		                         "close it before the point");
	if ((pid_t)pid != it->pid)
		object->value[SNAPIMG_PIDFD_PID] = pid;
	return STATUS_OK;
}
