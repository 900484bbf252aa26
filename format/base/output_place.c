#include "format/base/output_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* as the kernel's: path_resolution(7) */

/* What a symbolic link leads to. Returns the path to write, to be freed; NULL with errno. */
static char *resolve(const char *path)
{
	char target[PATH_MAX];
	char *current = strdup(path);

	for (int i = 0; current != NULL && i < LINKS_MAX; i++) {
		ssize_t length = readlink(current, target, sizeof(target) - 1);
		if (length < 0)
			return current; /* no link, or nothing there yet */
		target[length] = '\0';
		const char *slash = strrchr(current, '/');
		char *next = NULL;
		if (target[0] == '/' || slash == NULL)
			next = strdup(target);
		else if (asprintf(&next, "%.*s%s", (int)(slash + 1 - current), current, target) < 0)
			next = NULL;
		free(current);
		current = next;
	}
	if (current != NULL)
		errno = ELOOP;
	free(current);
	return NULL;
}

static int check_kind(mode_t mode)
{
	if (S_ISDIR(mode))
		return EISDIR;
	return S_ISREG(mode) ? 0 : EEXIST;
}

int output_place_check(int directory, const char *name, bool follow)
{
	struct stat found;

	if (fstatat(directory, name, &found, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : errno;
	return !follow && S_ISLNK(found.st_mode) ? 0 : check_kind(found.st_mode);
}

/* What the kernel finds there: /dev/stdout and others in /proc lead to what has no name, or not the one that
 * readlink(2) tells. */
static int check_target(const char *path, const char *resolved)
{
	struct stat meant, found;
	int error;

	if (stat(path, &meant) != 0)
		return 0;
	if ((error = check_kind(meant.st_mode)) != 0)
		return error;
	if (stat(resolved, &found) != 0 || found.st_dev != meant.st_dev || found.st_ino != meant.st_ino)
		return EEXIST;
	return 0;
}

static int open_directory(const char *path, size_t length, int *ret_directory)
{
	char *directory = length > 0 ? strndup(path, length) : strdup(".");
	int descriptor, error = 0;

	if (directory == NULL)
		return ENOMEM;
	descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A directory may be writable but not readable; then it can't be synced. */
	if (descriptor < 0 && errno == EACCES)
		descriptor = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (descriptor < 0)
		error = errno;
	else
		*ret_directory = descriptor;
	free(directory);
	return error;
}

static int split(const char *path, int *ret_directory, char ret_name[NAME_MAX + 1])
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	size_t length = strlen(name);
	int error;

	if (length == 0)
		return *path != '\0' ? EISDIR : EINVAL;
	if (length > NAME_MAX)
		return ENAMETOOLONG;
	/* With its slash, which the root is nothing without. */
	error = open_directory(path, (size_t)(name - path), ret_directory);
	if (error == 0)
		memcpy(ret_name, name, length + 1);
	return error;
}

int output_place_find(const char *path, bool follow, int *ret_directory, char ret_name[NAME_MAX + 1])
{
	char *resolved = follow ? resolve(path) : strdup(path);
	int directory = -1, error;

	if (resolved == NULL)
		return errno;
	error = follow ? check_target(path, resolved) : 0;
	if (error == 0)
		error = split(resolved, &directory, ret_name);
	free(resolved);
	if (error == 0)
		error = output_place_check(directory, ret_name, follow);
	if (error == 0)
		*ret_directory = directory;
	else if (directory >= 0)
		(void)close(directory);
	return error;
}
