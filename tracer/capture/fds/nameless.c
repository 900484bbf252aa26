/* What memfds and deleted files share: their content goes into the image. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"
#include "tracer/capture/memory/shared.h"

enum { PIECE = 1 << 16, BLOCK = SNAPIMG_EXTENT_MAX };

/* Zero pieces stay holes; what lies between them goes in blocks, which are compressed by themselves. */
static enum status read_piece(struct taking *taking, int fd, off_t at, off_t end)
{
	static char block[BLOCK], zeros[PIECE];
	enum status status = STATUS_OK;
	size_t filled = 0;
	ssize_t got;

	for (; at < end && status == STATUS_OK; at += got) {
		got = pread(fd, block + filled, end - at < PIECE ? (size_t)(end - at) : PIECE, at);
		if (got <= 0)
			return fail(STATUS_FAILED, "can't read an unnamed file of process %d: %s",
			            taking->pid, strerror(got < 0 ? errno : EIO));
		bool is_hole = memcmp(block + filled, zeros, (size_t)got) == 0;
		filled += is_hole ? 0 : (size_t)got;
		if (filled && (is_hole || filled > BLOCK - PIECE || at + got == end)) {
			off_t start = at + (is_hole ? 0 : got) - (off_t)filled;
			status = objects_fill(taking->objects, (uint64_t)start, block, filled);
			filled = 0;
		}
	}
	return status;
}

static enum status read_content(struct taking *taking, int fd, off_t size)
{
	enum status status = STATUS_OK;

	for (off_t at = 0, end; at < size && status == STATUS_OK; at = end) {
		off_t data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break; /* only a hole follows */
		at = data < 0 ? at : data;
		end = lseek(fd, at, SEEK_HOLE);
		end = end < 0 || end > size ? size : end;
		status = read_piece(taking, fd, at, end);
	}
	return status;
}

/* One that is not what a file has that a start makes. */
static uint64_t owner_of(const struct stat *file)
{
	if (file->st_uid == geteuid() && file->st_gid == getegid())
		return 0;
	return ((uint64_t)file->st_gid + 1) << 32 | ((uint64_t)file->st_uid + 1);
}

/* Not the copy, whose place is the target's and which may be write-only. Nobody but the target has the file,
 * so its owner may read it whatever its mode. */
static int open_again(const struct open_descriptor *it)
{
	struct proc_path path = proc_path(it->pid, "fd/%d", it->number);
	int fd = open(path.text, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmod(it->copy, S_IRUSR) == 0) {
		fd = open(path.text, O_RDONLY | O_CLOEXEC);
		(void)fchmod(it->copy, it->identity.st_mode & 07777);
	}
	return fd;
}

/* Of extended attributes those that a program sets, not the labels that a file has from the system's policy.
 */
static bool has_attributes(int fd)
{
	static const char *const set[] = {"user.", "trusted.", "system.posix_acl_access",
	                                  "security.capability"};
	char names[4096];
	ssize_t size = flistxattr(fd, names, sizeof(names));

	if (size < 0)
		return errno == ERANGE;
	for (const char *name = names; name < names + size; name += strlen(name) + 1)
		for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++)
			if (strncmp(name, set[i], strlen(set[i])) == 0)
				return true;
	return false;
}

/* chattr(1)'s, which a new file has of its directory only. */
static bool has_inode_flags(int fd, const char *path)
{
	const long set = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_SYNC_FL | FS_NODUMP_FL | FS_NOATIME_FL;
	long flags = 0, handed = 0; /* of which the kernel writes an int */
	char directory[PATH_MAX];

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & set))
		return false;
	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path + 1), path);
	int above = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (above >= 0) {
		(void)ioctl(above, FS_IOC_GETFLAGS, &handed);
		close(above);
	}
	return (flags & set & ~handed) != 0;
}

static bool has_hint(int fd)
{
	uint64_t hint = RWH_WRITE_LIFE_NOT_SET;

	return fcntl(fd, F_GET_RW_HINT, &hint) == 0 && hint != RWH_WRITE_LIFE_NOT_SET;
}

const char *made_file_beside_content(int fd, const char *path)
{
	return has_attributes(fd)          ? "extended attributes (setxattr)"
	       : has_inode_flags(fd, path) ? "flags (chattr)"
	       : has_hint(fd)              ? "a write hint (F_SET_RW_HINT)"
	                                   : NULL;
}

/* An earlier description of the same file. */
static const struct open_descriptor *find_first(const struct survey *survey, const struct open_descriptor *it)
{
	for (const struct open_descriptor *other = survey->open; other < it; other++)
		if (other->object >= 0 && other->known && other->identity.st_dev == it->identity.st_dev &&
		    other->identity.st_ino == it->identity.st_ino)
			return other;
	return NULL;
}

bool take_reopened(const struct taking *taking, const struct open_descriptor *it,
                   struct snapimg_object *object)
{
	const struct snapimg_object *objects = taking->objects->object.items;
	const struct open_descriptor *first = find_first(taking->survey, it);

	if (!first)
		return false;
	object->peer = objects[first->object].kind == SNAPIMG_OBJECT_REOPENED ? objects[first->object].peer
	                                                                      : (uint32_t)first->object + 1;
	object->kind = SNAPIMG_OBJECT_REOPENED;
	object->flags &= ~(uint32_t)(O_DIRECTORY | O_NOFOLLOW); /* of O_TMPFILE; its name is gone */
	return true;
}

static uint64_t time_of(const struct stat *file)
{
	return (uint64_t)file->st_mtim.tv_sec * 1000000000u + (uint64_t)file->st_mtim.tv_nsec;
}

void note_nameless(const struct stat *file, struct snapimg_object *object)
{
	object->value[SNAPIMG_FILE_MODE] = file->st_mode & 07777;
	object->value[SNAPIMG_FILE_OWNER] = owner_of(file);
	object->value[SNAPIMG_FILE_MTIME] = time_of(file);
}

enum status take_file_content(struct taking *taking, const struct open_descriptor *it, int fd,
                              struct snapimg_object *object)
{
	object->value[SNAPIMG_FILE_SIZE] = (uint64_t)it->identity.st_size;
	object->value[SNAPIMG_FILE_MTIME] = time_of(&it->identity);
	bool claimed = false;
	enum status status = shared_claim(taking->shared, it, fd, taking->objects->object.count, &claimed);
	if (claimed || fd < 0)
		return status;
	if (status == STATUS_OK)
		status = read_content(taking, fd, it->identity.st_size);
	close(fd);
	return status;
}

/* What is reserved for it is only told as a sum: where that is as much as the file is long, all of it is.
 */
static enum status take_room(struct taking *taking, const struct stat *file)
{
	enum { UNIT = 512, SECOND = 1000000000 }; /* inode(7), st_blocks */
	uint64_t room = (uint64_t)file->st_blocks * UNIT;
	const uint64_t value[] = {(uint64_t)file->st_atim.tv_sec * SECOND + (uint64_t)file->st_atim.tv_nsec,
	                          room >= (uint64_t)file->st_size ? room : 0};
	const struct snapimg_setting setting = {.kind = SNAPIMG_SETTING_FILE, .size = sizeof(value)};

	static_assert(sizeof(value) == SNAPIMG_FILE_SETTING_SIZE, "as the format has it");
	return objects_set(taking->objects, setting, value);
}

enum status take_nameless(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	if (take_reopened(taking, it, object))
		return STATUS_OK;
	const char *beside = it->known ? made_file_beside_content(it->copy, it->link) : NULL;
	if (beside) {
		char what[96];
		snprintf(what, sizeof(what), "an unnamed file with %s", beside);
		return refuse_descriptor(taking->survey, it, what, "set that after the point");
	}
	note_nameless(&it->identity, object);
	enum status status = take_room(taking, &it->identity);
	if (status != STATUS_OK)
		return status;
	int fd = it->identity.st_size ? open_again(it) : -1;
	if (fd < 0 && it->identity.st_size)
		return refuse_descriptor(taking->survey, it, "an unnamed file that can't be read",
		                         "close it before the point");
	return take_file_content(taking, it, fd, object);
}
