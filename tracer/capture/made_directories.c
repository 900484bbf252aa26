#include "tracer/capture/made_directories.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/array.h"
#include "tracer/capture/identify.h"
#include "tracer/made.h"

/* A temporary directory, not what a program has built. */
enum { ENTRIES_MAX = 256, BYTES_MAX = 4 << 20, DEPTH_MAX = 8, ALL_ENTRIES_MAX = 512 };

struct entry {
	char *path;
	struct stat identity;
};

/* What lies in one of them. */
struct found {
	struct entry *entry;
	size_t count;
	uint64_t bytes;
	const char *why; /* it is not carried; NULL: it is */
};

struct noting {
	const struct captures *captures;
	struct capture *first;
	size_t entries; /* of all directories together, and files */
	enum status status;
};

static void found_free(struct found *found)
{
	for (size_t i = 0; i < found->count; i++)
		free(found->entry[i].path);
	free(found->entry);
}

static bool add_entry(struct found *found, const char *path, const struct stat *identity)
{
	struct entry *entry = array_add(found->entry, found->count);

	if (!entry)
		return false;
	*entry = (struct entry){strdup(path), *identity};
	return entry->path != NULL;
}

/* Its making was seen, or it can't be older than the program. */
static bool is_made(const struct noting *noting, const char *path, struct stat *ret_identity)
{
	const struct proc_stat *process = noting->first->first;
	struct statx times;

	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_CTIME, &times) == 0 &&
	       lstat(path, ret_identity) == 0 &&
	       (is_surely_younger(&times, process) ||
	        (made_was_seen(path, ret_identity) && is_younger(&times, process)));
}

static bool is_open(const struct noting *noting, const char *path)
{
	for (size_t i = 0; i < noting->captures->count; i++) {
		const struct files *files = &noting->captures->capture[i]->files;
		for (size_t k = 0; k < files->count; k++)
			if (strcmp(files->file[k].path, path) == 0)
				return true;
	}
	return false;
}

/* What is neither a file nor a directory is made by its own kind, or was nothing without who had it. */
static void scan(const struct noting *noting, const char *path, const struct stat *identity, int depth,
                 struct found *found)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;

	if (!directory || depth > DEPTH_MAX || !add_entry(found, path, identity))
		found->why = "it can't be read";
	while (!found->why && (entry = readdir(directory))) {
		char name[PATH_MAX];
		struct stat its;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		int length = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (length < 0 || (size_t)length >= sizeof(name) || lstat(name, &its) < 0)
			found->why = "it is changing";
		else if (S_ISLNK(its.st_mode))
			found->why = "it has symbolic links";
		else if (S_ISDIR(its.st_mode))
			scan(noting, name, &its, depth + 1, found);
		else if (S_ISREG(its.st_mode) && !is_open(noting, name) &&
		         ((found->bytes += (uint64_t)its.st_size) > BYTES_MAX ||
		          found->count >= ENTRIES_MAX || its.st_nlink > 1 || !add_entry(found, name, &its)))
			found->why = "it has more than 4 MiB, 256 files, or files with several names";
	}
	if (directory)
		closedir(directory);
}

/* So that two images are alike, and each directory stands before what is in it. */
static int by_path(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	return strcmp(a->path, b->path);
}

static enum status carry_bytes(struct noting *noting, const struct entry *entry, size_t index)
{
	size_t size = (size_t)entry->identity.st_size;
	int fd = open(entry->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	uint8_t *bytes = malloc(size + 1);
	enum status status = STATUS_OK;

	if (!bytes || fd < 0 || pread(fd, bytes, size, 0) != (ssize_t)size)
		status = fail(STATUS_FAILED, "%s: can't read what the program made: %s", entry->path,
		              strerror(errno));
	else if (size > 0)
		status = objects_carry(&noting->first->descriptors.objects, (uint32_t)index, 0, bytes, size);
	if (fd >= 0)
		close(fd);
	free(bytes);
	return status;
}

static enum status note(struct noting *noting, const struct entry *entry)
{
	struct files *files = &noting->first->files;
	enum status status;
	size_t index;

	status = files_add(files, entry->path, &entry->identity, SNAPIMG_CHECK_EXISTS, &index);
	if (status != STATUS_OK || files->file[index].identity.flags & SNAPIMG_IDENTITY_MADE)
		return status;
	files->file[index].identity.file = (uint32_t)index + 1;
	files->file[index].identity.flags |= SNAPIMG_IDENTITY_MADE | SNAPIMG_IDENTITY_NAMED;
	return S_ISREG(entry->identity.st_mode) ? carry_bytes(noting, entry, index) : STATUS_OK;
}

static bool is_noted(const struct noting *noting, const char *path)
{
	const struct files *files = &noting->first->files;

	for (size_t i = 0; i < files->count; i++)
		if (S_ISDIR(files->file[i].record.mode) &&
		    files->file[i].identity.flags & SNAPIMG_IDENTITY_MADE &&
		    strcmp(files->file[i].path, path) == 0)
			return true;
	return false;
}

/* The outermost of those that the path goes through, which may be the path itself. */
static void look_along(struct noting *noting, const char *path, bool is_directory)
{
	struct found found = {0};
	char part[PATH_MAX];
	struct stat identity;

	for (size_t length = 1; *path == '/' && path[length - 1] && noting->status == STATUS_OK; length++) {
		if (length >= sizeof(part) || !(path[length] == '/' || (is_directory && !path[length])))
			continue;
		memcpy(part, path, length);
		part[length] = '\0';
		if (is_noted(noting, part))
			return;
		if (!is_made(noting, part, &identity) || !S_ISDIR(identity.st_mode))
			continue;
		scan(noting, part, &identity, 0, &found);
		if (!found.why && noting->entries + found.count > ALL_ENTRIES_MAX)
			found.why = "there are more than 512 files in such directories";
		if (found.why)
			explain("%s: the program's directory is not carried: %s", part, found.why);
		if (found.count > 0)
			qsort(found.entry, found.count, sizeof(*found.entry), by_path);
		for (size_t i = 0; i < found.count && !found.why && noting->status == STATUS_OK; i++)
			noting->status = note(noting, &found.entry[i]);
		noting->entries += found.why ? 0 : found.count;
		found_free(&found);
		return;
	}
}

/* As mkdtemp(3) and mkstemp(3) make them; what else a program builds is for others, too. */
static bool is_temporary(const char *path, const struct stat *identity)
{
	static const char *const places[] = {"/tmp/", "/var/tmp/", "/dev/shm/", "/run/"};
	bool is_private = (identity->st_mode & (S_IRWXG | S_IRWXO)) == 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		is_private = is_private || strncmp(path, places[i], strlen(places[i])) == 0;
	return is_private && !strstr(path, "/hsperfdata_") && !strstr(path, "/__pycache__");
}

static bool lies_in_noted(const struct noting *noting, const char *path)
{
	const struct files *files = &noting->first->files;

	for (size_t i = 0; i < files->count; i++) {
		size_t length = strlen(files->file[i].path);
		if (S_ISDIR(files->file[i].record.mode) &&
		    files->file[i].identity.flags & SNAPIMG_IDENTITY_MADE &&
		    strncmp(files->file[i].path, path, length) == 0 && path[length] == '/')
			return true;
	}
	return false;
}

static void look_at_file(struct noting *noting, const char *path, const struct stat *identity)
{
	const struct entry entry = {(char *)(uintptr_t)path, *identity};

	if (is_open(noting, path) || lies_in_noted(noting, path))
		return;
	if (identity->st_nlink > 1 || identity->st_size > BYTES_MAX || noting->entries >= ALL_ENTRIES_MAX) {
		explain("%s: the program's file is not carried: it has more than 4 MiB or several names, or "
		        "there are more than 512",
		        path);
		return;
	}
	noting->entries++;
	noting->status = note(noting, &entry);
}

/* What the program knows by its name alone: it was seen when it was made, and is still there. */
static void look_at_names(struct noting *noting)
{
	size_t count;
	const struct made_name *name = made_names(&count);

	for (size_t i = 0; i < count && noting->status == STATUS_OK; i++) {
		struct stat identity;
		if (!is_made(noting, name[i].path, &identity) || !is_temporary(name[i].path, &identity) ||
		    !made_was_seen(name[i].path, &identity))
			continue;
		if (S_ISDIR(identity.st_mode))
			look_along(noting, name[i].path, true);
		else if (S_ISREG(identity.st_mode))
			look_at_file(noting, name[i].path, &identity);
	}
}

static const char *name_of(const struct objects *objects, const struct snapimg_object *object)
{
	bool has_file = object->kind == SNAPIMG_OBJECT_SOCKET ||
	                (object->kind == SNAPIMG_OBJECT_FIFO && object->value[SNAPIMG_FIFO_MADE] != 0);

	return has_file && object->name > 0 ? ((char *const *)objects->names.items)[object->name - 1] : "";
}

static void look_at(struct noting *noting, const struct capture *capture)
{
	const struct objects *objects = &capture->descriptors.objects;
	const struct snapimg_object *object = objects->object.items;
	const size_t files = capture->files.count; /* of the first one's they become more */
	char directory[PATH_MAX];

	for (size_t i = 0; i < files; i++) {
		const struct file *file = &capture->files.file[i];
		bool is_directory = S_ISDIR(file->record.mode);
		if (!(file->identity.flags & SNAPIMG_IDENTITY_SCRATCH) &&
		    (is_directory || file->identity.flags & SNAPIMG_IDENTITY_MADE))
			look_along(noting, file->path, is_directory);
	}
	for (size_t i = 0; i < objects->object.count; i++)
		look_along(noting, name_of(objects, &object[i]), false);
	ssize_t length =
	        readlink(proc_path(capture->request->pid, "cwd").text, directory, sizeof(directory) - 1);
	if (length > 0) {
		directory[length] = '\0';
		look_along(noting, directory, true);
	}
}

enum status made_directories_note(const struct captures *captures)
{
	struct noting noting = {.captures = captures, .first = captures->capture[0], .status = STATUS_OK};

	for (size_t i = 0; i < captures->count && !noting.first->request->carry->none; i++)
		look_at(&noting, captures->capture[i]);
	/* The helpers of languages make theirs in each start: preload/warm/. */
	if (!noting.first->request->carry->none && !noting.first->request->input &&
	    noting.status == STATUS_OK)
		look_at_names(&noting);
	return noting.status;
}
