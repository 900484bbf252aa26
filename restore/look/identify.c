#include "restore/look/identify.h"

#include <asm/errno.h>
#include <asm/resource.h>
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/time_types.h>

#include "format/facts/buildid.h"
#include "format/facts/file_hash.h"
#include "restore/base/limits.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/fds/objects.h"
#include "restore/loader.h"

enum {
	TYPE_MASK = 0170000,
	DIRECTORY = 0040000,
	MODE_MASK = 07777,
	BLOCK = 1 << 16,
	MADE_MAX = 1024,
	UTIME_OMIT = (1 << 30) - 2
};

/* Of a directory it only says that the program made it (directories.c). */
static const struct snapimg_identity *find_identity(uint32_t index)
{
	const struct snapimg_identity *identity = snapimg_get_identity(&loader.image);
	uint32_t low = 0, high = snapimg_identity_count(&loader.image);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (identity[middle].file < index + 1)
			low = middle + 1;
		else
			high = middle;
	}
	if ((snapimg_get_file(&loader.image)[index].mode & TYPE_MASK) == DIRECTORY)
		return NULL;
	return low < snapimg_identity_count(&loader.image) && identity[low].file == index + 1 ? &identity[low]
	                                                                                      : NULL;
}

/* Size, modification time and inode; and of a file with an identity the change time, which nobody can set
 * back. */
static bool same_stamp(const struct snapimg_file *file, const struct snapimg_identity *identity,
                       const struct stat *status)
{
	return file->size == (uint64_t)status->st_size && file->inode == status->st_ino &&
	       file->mtime_seconds == (int64_t)status->st_mtime &&
	       file->mtime_nanoseconds == status->st_mtime_nsec &&
	       (identity == NULL || ((identity->flags & SNAPIMG_IDENTITY_FRESH) == 0 &&
	                             identity->ctime_seconds == (int64_t)status->st_ctime &&
	                             identity->ctime_nanoseconds == status->st_ctime_nsec));
}

/* The same build wherever and whenever it was installed; unless somebody patched it. */
static bool same_build(const struct snapimg_file *file, int descriptor)
{
	if (file->build_id_size == 0)
		return false;
	uint8_t page[4096];
	uint8_t build_id[SNAPIMG_BUILD_ID_MAX];
	long got = sys(__NR_pread64, descriptor, page, sizeof page, 0);
	if (got <= 0)
		return false;
	uint32_t size = snapimg_build_id(page, (size_t)got, build_id);
	return size == file->build_id_size && memcmp(build_id, file->build_id, size) == 0;
}

static long read_file(void *descriptor, void *to, size_t size, uint64_t offset)
{
	return sys(__NR_pread64, *(const int *)descriptor, to, size, offset);
}

/* Of a file that may only be written, the content is asked for through a descriptor of its own. */
long file_open_own(uint32_t index, const char *path, uint32_t flags)
{
	const struct snapimg_file *file = &snapimg_get_file(&loader.image)[index];
	enum { OF_OWNER = 0700 };
	char link[64] = "/proc/self/fd/";
	struct stat status = {0};
	long result = -EACCES;
	long look = sys(__NR_openat, AT_FDCWD, path, O_PATH | O_CLOEXEC);
	if (look < 0)
		return result;
	const char *number = dec((uint64_t)look);
	memcpy(link + strlen(link), number, strlen(number) + 1);
	if (sys(__NR_fstat, look, &status) == 0 && status.st_uid == sys(__NR_geteuid) &&
	    status.st_mode == file->mode &&
	    sys(__NR_fchmodat, AT_FDCWD, link, (file->mode & MODE_MASK) | OF_OWNER) == 0) {
		result = sys(__NR_openat, AT_FDCWD, link,
		             (flags & ~(uint32_t)O_NOFOLLOW) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		sys(__NR_fchmodat, AT_FDCWD, link, file->mode & MODE_MASK);
	}
	sys(__NR_close, look);
	return result;
}

static bool same_content(uint32_t index, const struct snapimg_file *file,
                         const struct snapimg_identity *identity, const char *path, uint64_t size)
{
	if ((identity->flags & SNAPIMG_IDENTITY_HASHED) == 0 || file->size != size)
		return false;
	long descriptor = sys(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (descriptor == -EACCES)
		descriptor = file_open_own(index, path, O_RDONLY);
	if (descriptor < 0)
		return false;
	static uint8_t block[BLOCK];
	int opened = (int)descriptor;
	const struct file_hash_source source = {read_file, &opened, size, block, sizeof block};
	const struct file_hash_mappings mappings = {snapimg_get_mapping(&loader.image),
	                                            snapimg_mapping_count(&loader.image),
	                                            sizeof(struct snapimg_mapping)};
	uint64_t hash = 0;
	bool read = (identity->flags & SNAPIMG_IDENTITY_WHOLE) != 0
	                    ? snapimg_hash_file(&source, &hash)
	                    : snapimg_hash_mapped(&source, &mappings, index, &hash);
	sys(__NR_close, descriptor);
	return read && hash == identity->hash;
}

static bool is_recorded(uint32_t index, const struct snapimg_file *file,
                        const struct snapimg_identity *identity, const char *path, int descriptor,
                        const struct stat *status)
{
	if (same_stamp(file, identity, status))
		return true;
	if (identity == NULL)
		return file->check == SNAPIMG_CHECK_EXISTS || same_build(file, descriptor);
	if ((identity->flags & SNAPIMG_IDENTITY_LIVE) != 0 && file->inode == status->st_ino)
		return true;
	if ((identity->flags & SNAPIMG_IDENTITY_HASHED) != 0)
		return same_content(index, file, identity, path, (uint64_t)status->st_size);
	return (identity->flags & SNAPIMG_IDENTITY_EXCLUSIVE) == 0 && same_build(file, descriptor);
}

static const char *advice(const struct snapimg_identity *identity)
{
	if (identity != NULL && (identity->flags & SNAPIMG_IDENTITY_MADE) != 0)
		return ": has changed since the program, which wrote it, was frozen: remove it, so that it "
		       "is made "
		       "again from the image, or use --on-mismatch=warn";
	if (identity != NULL && (identity->flags & SNAPIMG_IDENTITY_EXCLUSIVE) != 0)
		return ": has changed since the program, which had it locked or open to write, was frozen: "
		       "put it "
		       "back as it was, or use --on-mismatch=warn";
	return ": has changed since the image was made: freeze the program again, or use --on-mismatch=warn";
}

/* Whether somebody else has it open just now: only then a lease is refused (fcntl(2), F_SETLEASE). Who breaks
 * it in the moment that it lasts sends SIGURG, which is ignored, instead of SIGIO. */
void file_tell_if_shared(uint32_t index, const char *path, int descriptor)
{
	enum { LEASE_WRITE = 1, LEASE_NONE = 2, SIGNAL_URGENT = 23, TRIES = 5 };
	static const struct __kernel_timespec pause = {.tv_nsec = 2000000};
	const struct snapimg_file *file = snapimg_get_file(&loader.image);
	const struct snapimg_identity *identity = find_identity(index);
	if (identity == NULL || (identity->flags & SNAPIMG_IDENTITY_EXCLUSIVE) == 0 || loader.options.check)
		return;
	for (uint32_t i = 0; i < index; i++)
		if (file[i].path == file[index].path)
			return; /* it may be this start that has it */
	sys(__NR_fcntl, descriptor, F_SETSIG, SIGNAL_URGENT);
	long result = -EAGAIN;
	/* It is refused, too, while somebody only looks the name up, or a file that was closed is not yet let
	 * go (fs/locks.c, check_conflicting_open), which both pass. */
	for (int i = 0; i < TRIES && result == -EAGAIN; i++) {
		if (i > 0)
			sys(__NR_nanosleep, &pause, NULL);
		result = sys(__NR_fcntl, descriptor, F_SETLEASE, LEASE_WRITE);
	}
	if (result == 0)
		sys(__NR_fcntl, descriptor, F_SETLEASE, LEASE_NONE);
	sys(__NR_fcntl, descriptor, F_SETSIG, 0);
	if (result == -EAGAIN)
		warn(path, ": another process has it open, too: both may write to it");
}

bool file_is_same(uint32_t index, const char *path, int descriptor)
{
	const struct snapimg_file *file = &snapimg_get_file(&loader.image)[index];
	const struct snapimg_identity *identity = find_identity(index);
	struct stat status = {0};
	return identity != NULL && (identity->flags & SNAPIMG_IDENTITY_HASHED) != 0 &&
	       sys(__NR_fstat, descriptor, &status) == 0 &&
	       (status.st_mode & TYPE_MASK) == (file->mode & TYPE_MASK) &&
	       is_recorded(index, file, identity, path, descriptor, &status);
}

void file_identify(uint32_t index, const char *path, int descriptor)
{
	const struct snapimg_file *file = &snapimg_get_file(&loader.image)[index];
	const struct snapimg_identity *identity = find_identity(index);
	struct stat status = {0};
	long result = sys(__NR_fstat, descriptor, &status);
	if (result < 0)
		die(EXIT_REFUSED, path, ": cannot look at a file that the image needs: ", error_text(result));
	if ((status.st_mode & TYPE_MASK) != (file->mode & TYPE_MASK))
		die(EXIT_REFUSED, path, ": is no longer the kind of file that the image needs: put it back");
	if (is_recorded(index, file, identity, path, descriptor, &status))
		return;
	if (loader.options.on_mismatch == MISMATCH_FAIL)
		die(EXIT_REFUSED, path, advice(identity));
	if (loader.options.on_mismatch == MISMATCH_WARN)
		warn(path, ": has changed since the image was made: going on with what it is now");
}

/* The indices of the files that this start has made. */
static struct {
	uint32_t index[MADE_MAX];
	uint32_t count;
} made;

/* A start that is refused leaves none of these. */
static void files_unmake(void)
{
	for (; made.count > 0; made.count--)
		sys(__NR_unlink,
		    snapimg_string(&loader.image,
		                   snapimg_get_file(&loader.image)[made.index[made.count - 1]].path));
}

static long fill(uint32_t index, long descriptor)
{
	const struct snapimg_content *content = snapimg_get_carried(&loader.image);
	uint64_t size = snapimg_get_file(&loader.image)[index].size;
	/* Where more is not allowed, the kernel would end this process with a signal (setrlimit(2)). */
	long result = size > limit_raise(RLIMIT_FSIZE) ? -EFBIG : sys(__NR_ftruncate, descriptor, size);
	for (uint32_t i = 0; i < snapimg_carried_count(&loader.image) && result >= 0; i++) {
		if (content[i].object != index)
			continue;
		const uint8_t *bytes = content_try(&content[i]);
		result = bytes == NULL ? -EIO
		                       : sys(__NR_pwrite64, descriptor, bytes, content[i].size,
		                             content[i].position);
		if (result >= 0 && (uint64_t)result != content[i].size)
			result = -ENOSPC;
	}
	return result;
}

bool file_can_be_made(uint32_t index)
{
	const struct snapimg_identity *identity = find_identity(index);
	return identity != NULL && (identity->flags & SNAPIMG_IDENTITY_MADE) != 0;
}

static long finish(uint32_t index, long descriptor)
{
	const struct snapimg_file *file = &snapimg_get_file(&loader.image)[index];
	const int64_t times[4] = {0, UTIME_OMIT, file->mtime_seconds, file->mtime_nanoseconds};
	long result = fill(index, descriptor);
	if (result >= 0)
		result = sys(__NR_fchmod, descriptor, file->mode & MODE_MASK);
	return result < 0 ? result : sys(__NR_utimensat, descriptor, 0, times, 0);
}

static void note_made(uint32_t index)
{
	if (made.count == 0)
		undo_add(files_unmake);
	made.index[made.count++] = index;
}

long file_make(uint32_t index, const char *path)
{
	if (!file_can_be_made(index))
		return -ENOENT;
	if (made.count == MADE_MAX)
		return -EMFILE;
	long descriptor =
	        sys(__NR_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	if (descriptor < 0)
		return descriptor;
	note_made(index);
	long result = finish(index, descriptor);
	if (result >= 0)
		return descriptor;
	sys(__NR_close, descriptor);
	made.count--;
	sys(__NR_unlink, path);
	return result;
}

/* The nameless file gets its name when it is complete. */
static long make_at_once(uint32_t index, const char *path)
{
	char directory[4096], link[32] = "/proc/self/fd/";
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] != '/')
		length--;
	if (length >= sizeof directory)
		return -ENAMETOOLONG;
	memcpy(directory, path, length);
	directory[length] = '\0';
	long descriptor = sys(__NR_openat, AT_FDCWD, directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (descriptor < 0)
		return descriptor;
	const char *digits = dec((uint64_t)descriptor);
	memcpy(link + sizeof "/proc/self/fd/" - 1, digits, strlen(digits) + 1);
	long result = finish(index, descriptor);
	if (result >= 0)
		result = sys(__NR_linkat, AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
	sys(__NR_close, descriptor);
	return result;
}

long file_make_named(uint32_t index, const char *path)
{
	if (sys(__NR_faccessat, AT_FDCWD, path, 0) == 0)
		return -EEXIST;
	if (made.count == MADE_MAX)
		return -EMFILE;
	long result = make_at_once(index, path);
	if (result == 0)
		note_made(index);
	if (result == 0 || result == -EEXIST)
		return result;
	long descriptor = file_make(index, path); /* a filesystem that has no such files, or no /proc */
	if (descriptor >= 0)
		sys(__NR_close, descriptor);
	return descriptor < 0 ? descriptor : 0;
}

bool file_is_anothers(uint32_t index)
{
	const struct snapimg_identity *identity = find_identity(index);
	return identity != NULL && (identity->flags & SNAPIMG_IDENTITY_ANOTHERS) != 0;
}

bool file_is_scratch(uint32_t index)
{
	const struct snapimg_identity *identity = find_identity(index);
	return identity != NULL && (identity->flags & SNAPIMG_IDENTITY_SCRATCH) != 0;
}

long file_make_nameless(uint32_t index)
{
	long descriptor = sys(__NR_memfd_create, "scratch", MFD_CLOEXEC);
	long result = descriptor < 0 ? descriptor : fill(index, descriptor);
	return result < 0 ? result : descriptor;
}
