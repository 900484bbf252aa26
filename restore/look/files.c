/* Opens the files that an image needs and checks that they are the recorded ones. */
#include <asm/stat.h>
#include <linux/fcntl.h>

#include "format/facts/buildid.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

enum { FILES_MAX = 65536, TYPE_MASK = 0170000 };

static uint8_t checked[FILES_MAX / 8]; /* once a file, however many mappings it has */

/* Size, modification time and inode: as good as the content for a file that stayed where it was. */
static bool same_stamp(const struct snapimg_file *file, const struct stat *status)
{
	return file->size == (uint64_t)status->st_size && file->inode == status->st_ino &&
	       file->mtime_seconds == (int64_t)status->st_mtime &&
	       file->mtime_nanoseconds == status->st_mtime_nsec;
}

/* The same build wherever and whenever it was installed. */
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

static void check_identity(const struct snapimg_file *file, const char *path, int descriptor)
{
	struct stat status = {0};
	long result = sys(__NR_fstat, descriptor, &status);
	if (result < 0)
		die(EXIT_REFUSED, path, ": cannot look at a file that the image needs: ", error_text(result));
	if ((status.st_mode & TYPE_MASK) != (file->mode & TYPE_MASK))
		die(EXIT_REFUSED, path, ": is no longer the kind of file that the image needs: put it back");
	if (file->check == SNAPIMG_CHECK_EXISTS || same_stamp(file, &status) || same_build(file, descriptor))
		return;
	if (loader.options.on_mismatch == MISMATCH_FAIL)
		die(EXIT_REFUSED, path,
		    ": has changed since the image was made: freeze the program again, "
		    "or use --on-mismatch=warn");
	if (loader.options.on_mismatch == MISMATCH_WARN)
		warn(path, ": has changed since the image was made: going on with what it is now");
}

int file_open(uint32_t index, uint32_t flags)
{
	const struct snapimg_file *file = &snapimg_get_file(&loader.image)[index];
	const char *path = snapimg_string(&loader.image, file->path);
	long descriptor = sys(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY);
	if (descriptor < 0)
		die(EXIT_REFUSED, path, ": cannot open a file that the image needs: ", error_text(descriptor),
		    ": put it back, or freeze the program again");
	uint8_t bit = (uint8_t)(1u << index % 8);
	if (index >= FILES_MAX || (checked[index / 8] & bit) == 0) {
		check_identity(file, path, (int)descriptor);
		if (index < FILES_MAX)
			checked[index / 8] |= bit;
	}
	return (int)descriptor;
}
