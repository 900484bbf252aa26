#include <linux/wait.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"

/* Of the process itself, or of another of its tree; it closes on exec always. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long pidfd_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	(void)ret_other;
	uint64_t pid = object->value[SNAPIMG_PIDFD_PID];
	return sys(__NR_pidfd_open, pid != 0 ? pid : (uint64_t)sys(__NR_getpid), object->flags & O_NONBLOCK);
}

/* Of a process that is made for it, ends and is waited for. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long pidfd_make_ended(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	(void)ret_other;
	long child = sys(__NR_clone, 0); /* whose end sends no signal */
	if (child == 0)
		sys(__NR_exit_group, 0);
	if (child < 0)
		return child;
	long descriptor = sys(__NR_pidfd_open, child, object->flags & O_NONBLOCK);
	sys(__NR_wait4, child, 0, __WALL, 0);
	return descriptor;
}
