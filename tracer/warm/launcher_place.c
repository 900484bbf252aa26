#include "tracer/warm/launcher_place.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/facts/checksum.h"

static const char image_suffix[] = ".snap", link_suffix[] = ".launcher";

char *launcher_directory(void)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int length = -1;

	if (data && data[0] == '/')
		length = asprintf(&path, "%s/snaptrace/launchers", data);
	else if (home && home[0] == '/')
		length = asprintf(&path, "%s/.local/share/snaptrace/launchers", home);
	return length < 0 ? NULL : path;
}

/* All that is missing of it, for the user alone. */
static int make_directories(const char *path)
{
	char *copy = strdup(path);
	int result = copy ? 0 : -1;

	for (char *slash = copy ? strchr(copy + 1, '/') : NULL; result == 0; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		result = mkdir(copy, 0700) < 0 && errno != EEXIST ? -1 : 0;
		if (!slash)
			break;
		*slash = '/';
	}
	free(copy);
	return result;
}

enum status launcher_place(const char *file, const char *name, char **ret_image)
{
	char *directory = launcher_directory();
	enum status status = STATUS_OK;

	if (!directory)
		return fail(
		        STATUS_FAILED,
		        "--launcher: no place for the image: set HOME or XDG_DATA_HOME to an absolute path");
	if (make_directories(directory) < 0)
		status = fail(STATUS_FAILED, "--launcher: %s: %s", directory, strerror(errno));
	else if (asprintf(ret_image, "%s/%.60s-%016" PRIx64 "%s", directory, name,
	                  snapimg_checksum(file, strlen(file)), image_suffix) < 0)
		status = fail(STATUS_FAILED, "out of memory");
	free(directory);
	return status;
}

char *launcher_beside(const char *image, const char *suffix)
{
	char *path = NULL;

	return asprintf(&path, "%s%s", image, suffix) < 0 ? NULL : path;
}

enum status launcher_link(const char *file, const char *image)
{
	char *link = launcher_beside(image, link_suffix), *refused = launcher_beside(image, ".refused");
	enum status status = STATUS_OK;

	if (refused)
		(void)unlink(refused);
	if (!link || ((void)unlink(link), symlink(file, link) < 0))
		status = fail(STATUS_FAILED, "--launcher: %s: %s", image, strerror(errno));
	free(link);
	free(refused);
	return status;
}

char *launcher_of_image(const char *name)
{
	size_t length = strlen(name), tail = sizeof(image_suffix) - 1;
	char target[PATH_MAX], *link;
	ssize_t size;

	if (length <= tail || strcmp(name + length - tail, image_suffix) != 0 ||
	    !(link = launcher_beside(name, link_suffix)))
		return NULL;
	size = readlink(link, target, sizeof(target) - 1);
	free(link);
	if (size <= 0)
		return NULL;
	target[size] = '\0';
	return strdup(target);
}

void launcher_tool(const char *name, char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[length > 0 ? length : 0] = '\0';
	char *slash = strrchr(self, '/');
	snprintf(path, size, "%.*s%s", slash ? (int)(slash - self) + 1 : 0, self, name);
}
