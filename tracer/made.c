#include "tracer/made.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/proc.h"

enum { NAMES_MAX = 4096 /* temporary ones are few */ };

static struct made_name *names;
static size_t name_count;

static void add(const char *path, const struct stat *identity)
{
	struct made_name *name = name_count < NAMES_MAX ? array_add(names, name_count) : NULL;
	char *copy = name ? strdup(path) : NULL;

	if (name && !copy)
		name_count--;
	else if (name)
		*name = (struct made_name){copy, identity->st_dev, identity->st_ino};
}

void made_note_directory(pid_t tid, int directory, const char *path)
{
	struct proc_path link =
	        directory == AT_FDCWD ? proc_path(tid, "cwd") : proc_path(tid, "fd/%d", directory);
	char place[PATH_MAX] = "", *whole = NULL, *real;
	struct stat identity;

	if ((*path != '/' && readlink(link.text, place, sizeof(place) - 1) <= 0) ||
	    asprintf(&whole, "%s/%s", place, path) < 0)
		return;
	real = realpath(whole, NULL);
	if (real && lstat(real, &identity) == 0 && S_ISDIR(identity.st_mode))
		add(real, &identity);
	free(real);
	free(whole);
}

void made_note_file(pid_t tid, int fd)
{
	struct proc_path link = proc_path(tid, "fd/%d", fd);
	char path[PATH_MAX] = "";
	struct stat identity;

	if (stat(link.text, &identity) == 0 && S_ISREG(identity.st_mode) &&
	    readlink(link.text, path, sizeof(path) - 1) > 0 && *path == '/')
		add(path, &identity);
}

const struct made_name *made_names(size_t *ret_count)
{
	*ret_count = name_count;
	return names;
}

bool made_was_seen(const char *path, const struct stat *identity)
{
	for (size_t i = name_count; i > 0; i--)
		if (names[i - 1].inode == identity->st_ino && names[i - 1].device == identity->st_dev &&
		    strcmp(names[i - 1].path, path) == 0)
			return true;
	return false;
}
