#include "tracer/embeds.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As it was given, without `.` and what is empty. */
static char *absolute_path(const char *value)
{
	char directory[PATH_MAX] = "", *path = NULL;
	size_t length = 0;

	if ((*value != '/' && !getcwd(directory, sizeof(directory))) ||
	    asprintf(&path, "%s/%s/", directory, value) < 0)
		return NULL;
	for (const char *at = path; *at; at++) {
		while (*at == '/' && (at[1] == '/' || (at[1] == '.' && at[2] == '/')))
			at += at[1] == '/' ? 1 : 2;
		path[length++] = *at;
	}
	path[length > 1 ? length - 1 : length] = '\0';
	return path;
}

static bool has_parent(const char *path)
{
	for (const char *at = strstr(path, "/.."); at; at = strstr(at + 1, "/.."))
		if (at[3] == '/' || !at[3])
			return true;
	return false;
}

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || !path[length]);
}

static enum status check_place(const char *path)
{
	static const char *const kernels[] = {"/dev", "/proc", "/sys"};

	if (has_parent(path))
		return fail(STATUS_FAILED, "--embed %s: has `..`: give the path without it", path);
	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++)
		if (is_below(path, kernels[i]))
			return fail(STATUS_FAILED,
			            "--embed %s: is in %s, of which each machine has its own: leave it out",
			            path, kernels[i]);
	if (!path[1])
		return fail(STATUS_FAILED, "--embed /: is the whole root: give what the program will open");
	return STATUS_OK;
}

static enum status check(const char *path)
{
	char real[PATH_MAX];
	struct stat status;
	enum status result = check_place(path);

	if (result != STATUS_OK)
		return result;
	if (lstat(path, &status) < 0)
		return fail(STATUS_FAILED, "--embed %s: %s: give a file or directory that is there", path,
		            strerror(errno));
	if (!realpath(path, real))
		return fail(STATUS_FAILED, "--embed %s: a symbolic link that leads nowhere: leave it out",
		            path);
	if (strcmp(real, path) != 0)
		return fail(STATUS_FAILED, "--embed %s: leads through a symbolic link: give %s", path, real);
	return snapshot_check_embed(path);
}

enum status embeds_add(struct embeds *embeds, const char *value)
{
	if (!*value)
		return fail(STATUS_FAILED, "--embed: an empty name: give a file or a directory");
	char *path = absolute_path(value);
	enum status status;

	if (!path)
		return fail(STATUS_FAILED, "--embed %s: %s", value, strerror(errno));
	status = embeds->count < EMBEDS_MAX
	                 ? check(path)
	                 : fail(STATUS_FAILED, "--embed %s: more than %d: give a directory that has them",
	                        path, EMBEDS_MAX);
	if (status == STATUS_OK)
		embeds->path[embeds->count++] = path;
	else
		free(path);
	return status;
}

void embeds_free(struct embeds *embeds)
{
	while (embeds->count > 0)
		free(embeds->path[--embeds->count]);
}
