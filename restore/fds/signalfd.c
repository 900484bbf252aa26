#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"

/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long signalfd_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	(void)ret_other;
	return sys(__NR_signalfd4, -1, &object->value[SNAPIMG_SIGNALFD_MASK], SIGNAL_SET_SIZE,
	           object_status_flags(object) | O_CLOEXEC);
}
