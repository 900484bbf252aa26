/* A pidfd of the process itself, or of one that has ended. */
#include <fcntl.h>

#include "tracer/capture/fds/kinds.h"

enum status take_pidfd(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	bool of_thread = (it->flags & O_EXCL) != 0; /* PIDFD_THREAD, Linux 6.9 */

	if (!of_thread && proc_number(&it->info, "Pid", 10) == UINT64_MAX) { /* -1, once it was waited for */
		object->kind = SNAPIMG_OBJECT_ENDED;
		return STATUS_OK;
	}
	if (of_thread || (pid_t)proc_number(&it->info, "Pid", 10) != it->pid)
		return refuse_descriptor(taking->survey, it, "a pidfd of another process or of a thread",
		                         "close it before the point");
	return STATUS_OK;
}
