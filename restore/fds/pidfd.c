#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"

/* Of the process itself; it closes on exec always. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long pidfd_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	(void)ret_other;
	return sys(__NR_pidfd_open, sys(__NR_getpid), object->flags & O_NONBLOCK);
}
