/* What the processes of a tree share: made by the first, and inherited by the others. */
#include <asm/errno.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/become/tree.h"
#include "restore/fds/kinds.h"
#include "restore/fds/table.h"

/* A copy of its own of the inherited descriptor. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long tree_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	int made = tree_object(object->value[SNAPIMG_TREE_OBJECT]);
	(void)ret_other;
	return made < 0 ? -EBADF : descriptor_copy_away(made);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long opened_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	int descriptor = file_open((uint32_t)object->value[SNAPIMG_OPENED_FILE], object->flags);
	(void)ret_other;
	long result =
	        descriptor_begin_file(descriptor, object->flags, object->value[SNAPIMG_OPENED_POSITION]);
	return result < 0 ? result : descriptor;
}
