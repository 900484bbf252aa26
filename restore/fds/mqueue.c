/* A POSIX message queue, in the program's own IPC namespace: mq_open(2) takes its name without the slash. */
#include <asm/resource.h>
#include <linux/fcntl.h>
#include <linux/mqueue.h>

#include "restore/base/limits.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"

enum { OWN_MODE = 0600 };

static const struct snapimg_object *object_of(uint32_t index)
{
	return &snapimg_get_object(&loader.image)[index];
}

static const char *name_of(uint32_t index)
{
	return snapimg_string(&loader.image, object_of(index)->name) + 1;
}

/* To be read and written, until it is filled. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long mqueue_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = object_of(index);
	struct mq_attr attributes = {
	        .mq_maxmsg = (int64_t)object->value[SNAPIMG_MQUEUE_MESSAGES],
	        .mq_msgsize = (int64_t)object->value[SNAPIMG_MQUEUE_SIZE],
	};
	(void)ret_other;
	limit_raise(RLIMIT_MSGQUEUE);
	return sys(__NR_mq_open, name_of(index), O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, OWN_MODE,
	           &attributes);
}

long mqueue_fill(const struct snapimg_content *content, const uint8_t *bytes)
{
	return sys(__NR_mq_timedsend, objects_descriptor(content->object), bytes, content->size,
	           content->position, 0);
}

long mqueue_complete(uint32_t index, int descriptor)
{
	const struct snapimg_object *object = object_of(index);
	long again = objects_reopen(descriptor, object->flags);
	long result = again < 0 ? again : sys(__NR_fchmod, again, object->value[SNAPIMG_MQUEUE_MODE]);
	if (result >= 0 && object->value[SNAPIMG_MQUEUE_GONE] != 0)
		result = sys(__NR_mq_unlink, name_of(index));
	if (result >= 0) /* in the number's place, which is out of the program's way */
		result = sys(__NR_dup3, again, descriptor, O_CLOEXEC);
	sys(__NR_close, again);
	return result;
}
