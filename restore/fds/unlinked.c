/* Deleted files, and what a memfd has in common with them. */
#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/fcntl.h>

#include "restore/base/limits.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/directory.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/table.h"

enum { O_TMPFILE_FLAGS = O_DIRECTORY | 020000000, NANOSECONDS = 1000000000, UTIME_OMIT = (1 << 30) - 2 };

/* Where a file without a name is made: where it was, or else. */
#define PLACES(object) snapimg_string(&loader.image, (object)->name), "/tmp", "/var/tmp"

static bool had_no_name(const struct snapimg_object *object)
{
	return object->kind == SNAPIMG_OBJECT_UNLINKED && (object->flags & O_DIRECTORY) != 0;
}

/* fcntl(2), F_GETFL, shows O_NOFOLLOW, too, with which no link of /proc can be opened: only a name. */
static bool is_named_for_once(const struct snapimg_object *object)
{
	return object->kind == SNAPIMG_OBJECT_UNLINKED && !had_no_name(object) &&
	       (object->flags & O_NOFOLLOW) != 0;
}

/* fcntl(2), F_GETFL, shows O_TMPFILE, so a file that had it keeps the descriptor it is made with. One that
 * has lost its name can't be given another (linkat(2)). */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long unlinked_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const char *const places[] = {PLACES(object)};
	uint32_t mode = had_no_name(object)         ? object->flags & (O_ACCMODE | O_NOFOLLOW)
	                : is_named_for_once(object) ? O_RDWR
	                                            : O_RDWR | O_EXCL;
	long made = -ENOENT;
	(void)ret_other;
	for (unsigned i = 0; i < sizeof places / sizeof places[0] && made < 0; i++)
		made = sys(__NR_openat, AT_FDCWD, places[i], O_TMPFILE_FLAGS | mode | O_CLOEXEC, 0600);
	return made;
}

static const struct snapimg_setting *setting_of(uint32_t index)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++)
		if (setting[i].object == index && setting[i].kind == SNAPIMG_SETTING_FILE)
			return &setting[i];
	return NULL;
}

static const uint8_t *value_of(const struct snapimg_setting *setting)
{
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	return bytes + setting->offset;
}

/* Before it has content: its size doesn't change. What only made the program's next writes sure of room is no
 * reason to refuse a start where there is none. */
static void keep_room(uint32_t index, int descriptor)
{
	enum { KEEP_SIZE = 1 };
	const struct snapimg_setting *setting = setting_of(index);
	uint64_t room = 0;
	if (setting != NULL)
		memcpy(&room, value_of(setting) + sizeof room, sizeof room);
	long result = room == 0 ? 0 : sys(__NR_fallocate, descriptor, KEEP_SIZE, 0, room);
	if (result < 0)
		warn("descriptors: no room is reserved for a deleted file of the program: ",
		     error_text(result));
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
	keep_room(index, objects_descriptor(index));
}

long unlinked_fill(const struct snapimg_content *content, const uint8_t *bytes)
{
	long result = sys(__NR_pwrite64, objects_descriptor(content->object), bytes, content->size,
	                  content->position);
	return result >= 0 && result != (long)content->size ? -ENOSPC : result;
}

/* When it is made, and when it has all else. */
long unlinked_setting(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	(void)setting, (void)descriptor, (void)data;
	return 0;
}

static void join(char *to, size_t size, const char *const *part, unsigned count)
{
	size_t length = 0;
	for (unsigned i = 0; i < count; i++)
		for (const char *at = part[i]; *at != '\0' && length + 1 < size; at++)
			to[length++] = *at;
	to[length] = '\0';
}

/* By a name that is there for this moment. Who has no name to give opens it without O_NOFOLLOW, which then is
 * all that is missing. */
static long open_by_name(uint32_t index, int descriptor)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const char *const places[] = {PLACES(object)}, *const number = dec((uint64_t)descriptor),
	                  *const process = dec((uint64_t)sys(__NR_getpid)),
	                  *const link_parts[] = {"/proc/self/fd/", number};
	char link[64], path[4096];
	long result = -ENOENT, again = -ENOENT;
	join(link, sizeof link, link_parts, 2);
	for (unsigned i = 0; i < sizeof places / sizeof places[0] && result < 0; i++) {
		const char *const parts[] = {places[i], "/.snaprun-", process, "-", number};
		join(path, sizeof path, parts, sizeof parts / sizeof parts[0]);
		result = sys(__NR_linkat, AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
	}
	if (result == 0) {
		again = sys(__NR_openat, AT_FDCWD, path, object->flags | O_CLOEXEC);
		sys(__NR_unlinkat, AT_FDCWD, path, 0);
	}
	if (again >= 0)
		return again;
	warn("descriptors: a deleted file of the program is open without O_NOFOLLOW: ", error_text(result));
	return objects_reopen(descriptor, object->flags & ~(uint32_t)O_NOFOLLOW);
}

/* As a struct timespec has it. */
static void split(int64_t nanoseconds, int64_t *ret_time)
{
	const int64_t second = NANOSECONDS;
	ret_time[0] = nanoseconds / second - (nanoseconds % second < 0);
	ret_time[1] = nanoseconds - ret_time[0] * second;
}

/* In this order: a write and chown(2) take set-user-ID bits away, all change the time. */
static long set_attributes(uint32_t index, int descriptor)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const struct snapimg_setting *setting = setting_of(index);
	const uint64_t owner = object->value[SNAPIMG_FILE_OWNER], time = object->value[SNAPIMG_FILE_MTIME];
	const int64_t at = (int64_t)time;
	int64_t times[4] = {0, UTIME_OMIT, 0, 0}, read = 0;
	long result = 0;
	split(at, &times[2]);
	if (setting != NULL) {
		memcpy(&read, value_of(setting), sizeof read);
		split(read, &times[0]);
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
		long again = descriptor_away(is_named_for_once(object)
		                                     ? open_by_name(index, descriptor)
		                                     : objects_reopen(descriptor, object->flags));
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
	long result = set_attributes(index, descriptor);
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
	long result = set_attributes(index, descriptor);
	return result < 0 ? result : object_complete_flags(index, descriptor);
}
