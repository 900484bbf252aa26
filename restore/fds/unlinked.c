/* Deleted files, and what a memfd has in common with them. */
#include <asm/errno.h>
#include <asm/resource.h>

#include "restore/base/limits.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/directory.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/table.h"

enum { O_TMPFILE_FLAGS = O_DIRECTORY | 020000000, NANOSECONDS = 1000000000, UTIME_OMIT = (1 << 30) - 2 };

static bool had_no_name(const struct snapimg_object *object)
{
	return object->kind == SNAPIMG_OBJECT_UNLINKED && (object->flags & O_DIRECTORY) != 0;
}

/* fcntl(2), F_GETFL, shows O_TMPFILE, so a file that had it keeps the descriptor it is made with. One that
 * has lost its name can't be given another (linkat(2)). */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long unlinked_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const char *const places[] = {snapimg_string(&loader.image, object->name), "/tmp", "/var/tmp"};
	uint32_t mode = had_no_name(object) ? object->flags & O_ACCMODE : O_RDWR | O_EXCL;
	long made = -ENOENT;
	(void)ret_other;
	for (unsigned i = 0; i < sizeof places / sizeof places[0] && made < 0; i++)
		made = sys(__NR_openat, AT_FDCWD, places[i], O_TMPFILE_FLAGS | mode | O_CLOEXEC, 0600);
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

/* In this order: a write and chown(2) take set-user-ID bits away, all change the time. */
static long set_attributes(const struct snapimg_object *object, int descriptor)
{
	const uint64_t owner = object->value[SNAPIMG_FILE_OWNER], time = object->value[SNAPIMG_FILE_MTIME];
	const int64_t second = NANOSECONDS, at = (int64_t)time;
	int64_t times[4] = {0, UTIME_OMIT, at / second, at % second};
	long result = 0;
	if (times[3] < 0) {
		times[2]--;
		times[3] += second;
	}
	if (owner != 0)
		result = sys(__NR_fchown, descriptor, (uint32_t)owner - 1, (uint32_t)(owner >> 32) - 1);
	if (result == 0)
		result = sys(__NR_fchmod, descriptor, object->value[SNAPIMG_FILE_MODE]);
	if (result == 0 && time != 0)
		result = sys(__NR_utimensat, descriptor, 0, times, 0);
	return result;
}

long unlinked_complete(uint32_t index, int descriptor)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	bool is_memory = object->kind == SNAPIMG_OBJECT_MEMFD && (object->flags & O_ACCMODE) == O_RDWR;
	if (!is_memory && !had_no_name(object)) {
		long again = descriptor_away(objects_reopen(descriptor, object->flags));
		/* Without /proc: nobody can write to what is sealed, though the error is another one. */
		bool will_do = again == -ENOENT && object->kind == SNAPIMG_OBJECT_MEMFD &&
		               (object->flags & O_ACCMODE) == O_RDONLY &&
		               (object->value[SNAPIMG_FILE_SEALS] & F_SEAL_WRITE) != 0;
		if (again < 0 && !will_do)
			return again;
		if (again >= 0) {
			sys(__NR_close, descriptor);
			descriptor = (int)again;
		}
	}
	long result = set_attributes(object, descriptor);
	return result < 0 ? result : object_complete_flags(index, descriptor);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long removed_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	(void)ret_other;
	return directory_make_removed(snapimg_string(&loader.image, object->name), object->flags);
}

long removed_complete(uint32_t index, int descriptor)
{
	long result = set_attributes(&snapimg_get_object(&loader.image)[index], descriptor);
	return result < 0 ? result : object_complete_flags(index, descriptor);
}
