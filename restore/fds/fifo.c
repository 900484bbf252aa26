#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"

/* By a helper that both reads and writes, neither end waits for the other to be opened, or fails for want of
 * it; but its reader knows then that there was a writer. */
long fifo_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const char *path = snapimg_string(&loader.image, object->name);
	uint32_t mode = object->flags & O_ACCMODE;
	if (object->value[SNAPIMG_FIFO_FRESH] == 0) {
		long helper = sys(__NR_openat, AT_FDCWD, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (helper < 0)
			return helper;
		*ret_other = (int32_t)helper;
	}
	long made = sys(__NR_openat, AT_FDCWD, path, mode | O_NONBLOCK | O_CLOEXEC);
	long size = made < 0 ? made : sys(__NR_fcntl, made, F_GETPIPE_SZ, 0);
	if (size >= 0 && (uint64_t)size != object->value[SNAPIMG_FIFO_SIZE])
		size = sys(__NR_fcntl, made, F_SETPIPE_SZ, object->value[SNAPIMG_FIFO_SIZE]);
	return size < 0 ? size : made;
}
