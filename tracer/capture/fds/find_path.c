#include "tracer/capture/fds/find_path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Entries that are looked at before it is given up; reading a directory takes up to 10 microseconds each.
 */
enum { ENTRIES_MAX = 100000, QUEUE_MAX = 40000 };

struct search {
	struct wanted_path *wanted;
	size_t count, missing;
	char *queue[QUEUE_MAX]; /* directories, in the order in which they are read */
	size_t first, last;
	size_t entries;
};

static bool is_wanted(const struct search *search, ino_t inode)
{
	for (size_t i = 0; i < search->count; i++)
		if (!search->wanted[i].path && search->wanted[i].inode == inode)
			return true;
	return false;
}

/* Compares the file of that name with all that are wanted. */
static void try_path(struct search *search, const char *path)
{
	struct stat found;

	if (lstat(path, &found) < 0)
		return;
	for (size_t i = 0; i < search->count; i++) {
		struct wanted_path *wanted = &search->wanted[i];
		if (wanted->path || wanted->inode != found.st_ino || wanted->device != found.st_dev)
			continue;
		wanted->is_link = S_ISLNK(found.st_mode);
		if ((wanted->path = strdup(path)))
			search->missing--;
	}
}

static void add_directory(struct search *search, const char *path)
{
	char *copy;

	for (size_t i = 0; i < search->last && i < 64; i++) /* the places to begin with are often the same */
		if (strcmp(search->queue[i], path) == 0)
			return;
	if (search->last < QUEUE_MAX && (copy = strdup(path)))
		search->queue[search->last++] = copy;
}

static void add_place(struct search *search, const char *path)
{
	char whole[PATH_MAX], parent[PATH_MAX];
	struct stat found;

	if (!realpath(path, whole)) { /* where it was */
		snprintf(parent, sizeof(parent), "%s", path);
		char *name = strrchr(parent, '/');
		if (!name)
			return;
		name[name == parent] = '\0';
		if (!realpath(parent, whole))
			return;
	}
	if (stat(whole, &found) < 0)
		return;
	for (;;) { /* and what it lies in */
		try_path(search, whole);
		if (S_ISDIR(found.st_mode))
			break;
		char *slash = strrchr(whole, '/');
		slash[slash == whole] = '\0';
		if (stat(whole, &found) < 0)
			return;
	}
	add_directory(search, whole);
}

static void read_directory(struct search *search, const char *path)
{
	char whole[PATH_MAX];
	struct dirent *entry;
	DIR *directory = opendir(path);

	while (directory && search->missing && (entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (++search->entries > ENTRIES_MAX)
			break;
		if (snprintf(whole, sizeof(whole), "%s/%s", path[1] ? path : "", entry->d_name) >=
		    (int)sizeof(whole))
			continue;
		/* A mount point has another inode than its entry: a directory is looked at itself. */
		if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN || is_wanted(search, entry->d_ino))
			try_path(search, whole);
		if (entry->d_type == DT_DIR && strcmp(whole, "/proc") != 0 && strcmp(whole, "/sys") != 0)
			add_directory(search, whole);
	}
	if (directory)
		closedir(directory);
}

/* Near before far, for not all can be read: what a directory lies in, up to the root. */
static void add_above(struct search *search, const char *path)
{
	char whole[PATH_MAX];

	if (!realpath(path, whole))
		return;
	for (char *slash; (slash = strrchr(whole, '/')) && slash[1];) {
		slash[slash == whole] = '\0';
		add_place(search, whole);
	}
}

/* The working directory, open files, arguments, the executable, and what the first lies in; then everything.
 */
static void add_places(struct search *search, const struct survey *survey, pid_t pid)
{
	struct text arguments CLEANUP(text_free) = {0};
	char link[PATH_MAX];

	add_place(search, proc_path(pid, "cwd").text);
	for (size_t i = 0; i < survey->count; i++)
		if (survey->open[i].link[0] == '/' && survey->open[i].inherited < 0)
			add_place(search, survey->open[i].link);
	if (proc_read(proc_path(pid, "cmdline"), &arguments) == STATUS_OK) {
		const char *end = arguments.bytes + arguments.size;
		for (const char *word = arguments.bytes; word < end; word += strlen(word) + 1) {
			snprintf(link, sizeof(link), "%s/%s", proc_path(pid, "cwd").text, word);
			add_place(search, *word == '/' ? word : link);
		}
	}
	add_place(search, proc_path(pid, "exe").text);
	add_above(search, proc_path(pid, "cwd").text);
	add_place(search, "/");
}

enum status find_paths(const struct survey *survey, pid_t pid, struct wanted_path *wanted, size_t count)
{
	struct search *search = calloc(1, sizeof(*search));

	if (!search)
		return fail(STATUS_FAILED, "out of memory");
	search->wanted = wanted;
	search->count = search->missing = count;
	if (count)
		add_places(search, survey, pid);
	while (search->first < search->last && search->missing && search->entries <= ENTRIES_MAX)
		read_directory(search, search->queue[search->first++]);
	for (size_t i = 0; i < search->last; i++)
		free(search->queue[i]);
	free(search);
	return STATUS_OK;
}
