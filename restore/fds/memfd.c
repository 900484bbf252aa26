#include <linux/memfd.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"

/* O_RDWR, as its content has to be written; opened again as it was, if that was another way. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long memfd_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const char *name = snapimg_string(&loader.image, object->name);
	(void)ret_other;
	long made = sys(__NR_memfd_create, name, MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (made >= 0)
		sys(__NR_fchmod, made, object->value[SNAPIMG_FILE_MODE]);
	return made;
}

long memfd_complete(uint32_t index, int descriptor)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	sys(__NR_fcntl, descriptor, F_ADD_SEALS, object->value[SNAPIMG_FILE_SEALS]);
	return unlinked_complete(index, descriptor);
}
