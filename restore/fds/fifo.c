#include <asm/errno.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/fds/kinds.h"

enum { MADE_MAX = 16, OWN_MODE = 010600, MODE_MASK = 07777 };

static struct {
	const char *path[MADE_MAX];
	uint32_t count;
} made_here;

/* A start that is refused leaves none of these. */
static void fifos_unmake(void)
{
	for (; made_here.count > 0; made_here.count--)
		sys(__NR_unlinkat, AT_FDCWD, made_here.path[made_here.count - 1], 0);
}

/* The program's own, which another start's end has removed. Another process of the tree may be faster. */
static long make_again(const char *path, uint64_t mode)
{
	if (made_here.count == MADE_MAX)
		return -EMFILE;
	long result = sys(__NR_mknodat, AT_FDCWD, path, OWN_MODE, 0);
	if (result < 0)
		return result == -EEXIST ? 0 : result;
	if (made_here.count == 0)
		undo_add(fifos_unmake);
	made_here.path[made_here.count++] = path;
	return sys(__NR_fchmodat, AT_FDCWD, path, mode & MODE_MASK);
}

static long open_fifo(const struct snapimg_object *object, uint32_t mode)
{
	const char *path = snapimg_string(&loader.image, object->name);
	long opened = sys(__NR_openat, AT_FDCWD, path, mode | O_NONBLOCK | O_CLOEXEC);
	if (opened != -ENOENT || object->value[SNAPIMG_FIFO_MADE] == 0)
		return opened;
	long result = make_again(path, object->value[SNAPIMG_FIFO_MADE]);
	return result < 0 ? result : sys(__NR_openat, AT_FDCWD, path, mode | O_NONBLOCK | O_CLOEXEC);
}

/* By a helper that both reads and writes, neither end waits for the other to be opened, or fails for want of
 * it; but its reader knows then that there was a writer. */
long fifo_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	uint32_t mode = object->flags & O_ACCMODE;
	if (object->value[SNAPIMG_FIFO_FRESH] == 0) {
		long helper = open_fifo(object, O_RDWR);
		if (helper < 0)
			return helper;
		*ret_other = (int32_t)helper;
	}
	long made = open_fifo(object, mode);
	long size = made < 0 ? made : sys(__NR_fcntl, made, F_GETPIPE_SZ, 0);
	if (size >= 0 && (uint64_t)size != object->value[SNAPIMG_FIFO_SIZE])
		size = sys(__NR_fcntl, made, F_SETPIPE_SZ, object->value[SNAPIMG_FIFO_SIZE]);
	return size < 0 ? size : made;
}
