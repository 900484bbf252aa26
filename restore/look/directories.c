/* Directories that the program had made itself, and what it had closed in them, are made again where they are
 * not there: before any other file is looked for. */
#include <asm/errno.h>
#include <linux/fcntl.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/loader.h"
#include "restore/look/identify.h"

enum { TYPE_MASK = 0170000, DIRECTORY = 0040000, MODE_MASK = 07777, MADE_MAX = 1024 };

static struct {
	const struct snapimg_file *file[MADE_MAX];
	uint32_t count;
} made;

static const char *path_of(const struct snapimg_file *file)
{
	return snapimg_string(&loader.image, file->path);
}

/* A start that is refused leaves none of them; what lies in them is removed before. */
static void directories_unmake(void)
{
	for (; made.count > 0; made.count--)
		sys(__NR_unlinkat, AT_FDCWD, path_of(made.file[made.count - 1]), AT_REMOVEDIR);
}

/* What is in the way, or can't be made, is told of by who looks for it. */
static void make(const struct snapimg_file *file)
{
	if (made.count == MADE_MAX || sys(__NR_mkdirat, AT_FDCWD, path_of(file), 0700) < 0)
		return;
	if (made.count == 0)
		undo_add(directories_unmake);
	made.file[made.count++] = file;
}

static bool lies_in_one(const char *path)
{
	for (uint32_t i = 0; i < made.count; i++) {
		const char *rest = text_after(path, path_of(made.file[i]));
		if (rest != NULL && *rest == '/')
			return true;
	}
	return false;
}

static void fill(uint32_t index, const char *path)
{
	long descriptor = file_make(index, path);
	if (descriptor >= 0)
		sys(__NR_close, descriptor);
	else if (descriptor != -EEXIST) /* by another start */
		die(EXIT_REFUSED, path, ": cannot be made again: ", error_text(descriptor));
}

/* Where there is no such place, or it is another user's, the program may do without it: one line is enough.
 */
static void make_named(uint32_t index, const char *path)
{
	static bool told;
	long result = file_make_named(index, path);
	if (result >= 0 || result == -EEXIST || told)
		return;
	told = true;
	warn(path, ": the program had made it, and it cannot be made again: ", error_text(result));
}

static void make_one(uint32_t index, bool is_named)
{
	const struct snapimg_file *file = &snapimg_get_file(&loader.image)[index];
	if ((file->mode & TYPE_MASK) == DIRECTORY)
		make(file);
	else if (is_named)
		make_named(index, path_of(file));
	else if (lies_in_one(path_of(file)))
		fill(index, path_of(file));
}

void directories_make(void)
{
	const struct snapimg_file *file = snapimg_get_file(&loader.image);
	const struct snapimg_identity *identity = snapimg_get_identity(&loader.image);
	for (uint32_t i = 0; i < snapimg_identity_count(&loader.image); i++) {
		uint32_t index = identity[i].file - 1;
		if ((identity[i].flags & (SNAPIMG_IDENTITY_MADE | SNAPIMG_IDENTITY_SCRATCH)) !=
		            SNAPIMG_IDENTITY_MADE ||
		    file[index].check != SNAPIMG_CHECK_EXISTS)
			continue;
		make_one(index, (identity[i].flags & SNAPIMG_IDENTITY_NAMED) != 0);
	}
	for (uint32_t i = 0; i < made.count; i++)
		sys(__NR_fchmodat, AT_FDCWD, path_of(made.file[i]), made.file[i]->mode & MODE_MASK);
}
