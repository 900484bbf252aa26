/* A MEMFD or UNLINKED that the program opened once more. */
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"

long reopened_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	(void)ret_other;
	return objects_reopen(objects_descriptor(object->peer - 1), object->flags);
}
