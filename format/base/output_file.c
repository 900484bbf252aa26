#include "format/base/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0600, TRIES = 100 };

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static bool fail_with(struct output_file *file, int error)
{
	file->error = error;
	return false;
}

/* A name that was free when it was made up; its user fails with EEXIST when it no longer is. */
static bool make_name(struct output_file *file, unsigned int number)
{
	char *name = NULL;

	free(file->temporary);
	file->temporary = NULL;
	if (asprintf(&name, "%s.%d.%u.tmp", file->path, (int)getpid(), number) < 0)
		return fail_with(file, ENOMEM);
	file->temporary = name;
	return true;
}

static bool open_named(struct output_file *file)
{
	unsigned int i;

	for (i = 0; i < TRIES; i++) {
		if (!make_name(file, i))
			return false;
		file->descriptor =
		        open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
		if (file->descriptor >= 0)
			return true;
		if (errno != EEXIST)
			break;
	}
	file->error = errno;
	free(file->temporary);
	file->temporary = NULL;
	return false;
}

bool output_file_begin(struct output_file *file, const char *path)
{
	char *directory = directory_of(path);

	*file = (struct output_file){.descriptor = -1, .path = path};
	if (directory == NULL)
		return fail_with(file, ENOMEM);
	file->descriptor = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
	free(directory);
	file->is_nameless = file->descriptor >= 0;
	/* EOPNOTSUPP, or EISDIR from before Linux 3.11's filesystems: open(2), O_TMPFILE. Whatever else it
	 * is, the other way fails for the same reason. */
	if (!file->is_nameless && !open_named(file))
		return false;
	(void)fchmod(file->descriptor, FILE_MODE); /* whatever the umask is */
	return true;
}

int output_file_sink(void *context, uint64_t offset, const void *bytes, size_t size)
{
	struct output_file *file = context;
	const char *from = bytes;

	while (size > 0) {
		ssize_t done = pwrite(file->descriptor, from, size, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			file->error = errno;
			return -1;
		}
		from += done;
		offset += (uint64_t)done;
		size -= (size_t)done;
	}
	return 0;
}

/* linkat(2) replaces nothing, so it takes a name of its own, and rename(2) that of the image. */
static bool give_name(struct output_file *file)
{
	char self[64];
	unsigned int i;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", file->descriptor);
	for (i = 0; i < TRIES; i++) {
		if (!make_name(file, i))
			return false;
		if (linkat(AT_FDCWD, self, AT_FDCWD, file->temporary, AT_SYMLINK_FOLLOW) == 0) {
			file->is_nameless = false;
			return true;
		}
		if (errno != EEXIST)
			break;
	}
	return fail_with(file, errno);
}

bool output_file_finish(struct output_file *file)
{
	if (file->is_nameless && !give_name(file))
		return false;
	if (rename(file->temporary, file->path) != 0)
		return fail_with(file, errno);
	free(file->temporary);
	file->temporary = NULL;
	return true;
}

void output_file_end(struct output_file *file)
{
	if (file->descriptor >= 0)
		(void)close(file->descriptor);
	if (file->temporary != NULL && !file->is_nameless)
		(void)unlink(file->temporary);
	free(file->temporary);
	*file = (struct output_file){.descriptor = -1};
}
