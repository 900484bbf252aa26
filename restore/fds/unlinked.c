/* Deleted files, and what a memfd has in common with them. */
#include <asm/errno.h>
#include <asm/resource.h>

#include "restore/base/limits.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/table.h"

enum { O_TMPFILE_FLAGS = O_DIRECTORY | 020000000 };

long unlinked_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const char *const places[] = {snapimg_string(&loader.image, object->name), "/tmp", "/var/tmp"};
	long made = -ENOENT;
	(void)ret_other;
	for (unsigned i = 0; i < sizeof places / sizeof places[0] && made < 0; i++)
		made = sys(__NR_openat, AT_FDCWD, places[i], O_TMPFILE_FLAGS | O_RDWR | O_CLOEXEC, 0600);
	if (made >= 0)
		sys(__NR_fchmod, made, object->value[SNAPIMG_FILE_MODE]);
	return made;
}

/* The kernel would end this process with a signal where the limit is lower (setrlimit(2), RLIMIT_FSIZE). */
void unlinked_resize(uint32_t index)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	uint64_t size = object->value[SNAPIMG_FILE_SIZE];
	if (object->kind != SNAPIMG_OBJECT_MEMFD && object->kind != SNAPIMG_OBJECT_UNLINKED)
		return;
	if (size > limit_raise(RLIMIT_FSIZE))
		die(EXIT_REFUSED, "the image has an open file of ", dec(size),
		    " bytes, which the limit of file sizes does not allow: raise ulimit -Hf");
	long result = sys(__NR_ftruncate, objects_descriptor(index), size);
	if (result < 0)
		object_die(index, "resize", result);
}

long unlinked_fill(const struct snapimg_content *content, const uint8_t *bytes)
{
	long result = sys(__NR_pwrite64, objects_descriptor(content->object), bytes, content->size,
	                  content->position);
	return result >= 0 && result != (long)content->size ? -ENOSPC : result;
}

long unlinked_complete(uint32_t index, int descriptor)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	if ((object->flags & O_ACCMODE) != O_RDWR) {
		long again = descriptor_away(objects_reopen(descriptor, object->flags));
		if (again < 0)
			return again;
		sys(__NR_close, descriptor);
		descriptor = (int)again;
	}
	return object_complete_flags(index, descriptor);
}
