/* A terminal of the caller's that the program had opened once more, as libuv does for each stream. */
#include <asm/errno.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/table.h"

/* Whatever the caller has there: a pipe or a file is opened as well; a socket can't be, and is the caller's
 * own. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long callers_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	int number = (int)object->value[SNAPIMG_CALLERS_NUMBER];
	(void)ret_other;
	long made = objects_reopen(number, object->flags | O_NOCTTY);
	if (made == -ENXIO || made == -EACCES)
		made = descriptor_copy_away(number);
	if (made < 0)
		made = sys(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
	return made;
}
