#include <asm/errno.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"

/* Both ends are without waiting until they are filled, for an image may have more bytes than fit. */
long pipe_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	int32_t ends[2] = {-1, -1};
	long result = sys(__NR_pipe2, ends, O_CLOEXEC | O_NONBLOCK);
	if (result < 0)
		return result;
	result = sys(__NR_fcntl, ends[0], F_SETPIPE_SZ, object->value[SNAPIMG_PIPE_SIZE]);
	if (result < 0)
		return result;
	bool writes = (object->flags & O_ACCMODE) == O_WRONLY;
	*ret_other = ends[!writes];
	if ((object->flags & O_ACCMODE) != O_RDWR)
		return ends[writes];
	long both = objects_reopen(ends[0], O_RDWR | O_NONBLOCK);
	sys(__NR_close, ends[0]);
	return both;
}

long pipe_fill(const struct snapimg_content *content, const uint8_t *bytes)
{
	int end = objects_other_end(content->object);
	bool is_packet = content->position == SNAPIMG_PIPE_PACKET;
	if (is_packet)
		sys(__NR_fcntl, end, F_SETFL, O_NONBLOCK | O_DIRECT);
	long result = sys(__NR_write, end, bytes, content->size);
	if (is_packet)
		sys(__NR_fcntl, end, F_SETFL, O_NONBLOCK);
	return result >= 0 && result != (long)content->size ? -ENOSPC : result;
}
