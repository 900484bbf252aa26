#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"

/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long eventfd_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	uint64_t count = object->value[SNAPIMG_EVENTFD_COUNT];
	(void)ret_other;
	long made = sys(__NR_eventfd2, 0,
	                object_status_flags(object) | object->value[SNAPIMG_EVENTFD_SEMAPHORE] | O_CLOEXEC);
	if (made < 0 || count == 0)
		return made;
	long result = sys(__NR_write, made, &count, sizeof count);
	return result < 0 ? result : made;
}
