#include "tracer/capture/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/array.h"

enum { BLOCK = 1 << 20, LINK_MAX_SIZE = 4096, PERMISSIONS = 0777 };

/* A loader holds them in memory, also where nobody asks for them. */
#define BYTES_MAX (UINT64_C(1) << 30)

static enum status cannot(const char *path, const char *what)
{
	return fail(STATUS_FAILED, "--embed %s: %s", path, what);
}

/* In its order; takes the path. */
static enum status add(struct root *root, char *path, const struct stat *status, char **ret_target)
{
	struct root_file *file = array_add(root->file, root->count);

	if (!file) {
		free(path);
		return fail(STATUS_FAILED, "out of memory");
	}
	*file = (struct root_file){
	        .path = path,
	        .record = {.kind = S_ISDIR(status->st_mode)   ? SNAPIMG_ROOT_DIRECTORY
	                           : S_ISLNK(status->st_mode) ? SNAPIMG_ROOT_LINK
	                                                      : SNAPIMG_ROOT_FILE,
	                   .mode = status->st_mode & PERMISSIONS,
	                   .size = S_ISREG(status->st_mode) ? (uint64_t)status->st_size : 0,
	                   .mtime_seconds = status->st_mtim.tv_sec,
	                   .mtime_nanoseconds = (uint32_t)status->st_mtim.tv_nsec},
	};
	if (S_ISLNK(status->st_mode))
		file->target = *ret_target;
	*ret_target = NULL;
	root->bytes += file->record.size;
	return root->bytes <= BYTES_MAX
	               ? STATUS_OK
	               : cannot(path, "with it there is more than 1 GiB: leave it on the machine");
}

static enum status walk(struct root *root, char *path);

static enum status walk_directory(struct root *root, const char *path)
{
	DIR *directory = opendir(path);
	enum status status = STATUS_OK;
	struct dirent *entry;

	if (!directory)
		return cannot(path, strerror(errno));
	while (status == STATUS_OK && (entry = readdir(directory))) {
		char *below = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		status = asprintf(&below, "%s/%s", path, entry->d_name) < 0
		                 ? fail(STATUS_FAILED, "out of memory")
		                 : walk(root, below);
	}
	closedir(directory);
	return status;
}

/* Takes the path. */
static enum status walk(struct root *root, char *path)
{
	char target[LINK_MAX_SIZE] = "", *copy = NULL;
	struct stat status;
	enum status result = STATUS_OK;
	bool is_directory;

	if (lstat(path, &status) < 0 || (S_ISREG(status.st_mode) && access(path, R_OK) < 0))
		result = cannot(path, strerror(errno));
	else if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode))
		result = cannot(path, "neither a file nor a directory nor a link: leave it out");
	else if (S_ISLNK(status.st_mode) &&
	         (readlink(path, target, sizeof(target) - 1) <= 0 || !(copy = strdup(target))))
		result = cannot(path, "this link can't be read");
	if (result != STATUS_OK) {
		free(path);
		return result;
	}
	is_directory = S_ISDIR(status.st_mode);
	result = add(root, path, &status, &copy);
	free(copy);
	return result == STATUS_OK && is_directory ? walk_directory(root, path) : result;
}

static int by_path(const void *left, const void *right)
{
	return strcmp(((const struct root_file *)left)->path, ((const struct root_file *)right)->path);
}

static void free_file(struct root_file *file)
{
	free(file->path);
	free(file->target);
}

/* One that was given twice, or once by itself and once with its directory, is there once. */
static void sort(struct root *root)
{
	size_t count = 0;

	if (root->count)
		qsort(root->file, root->count, sizeof(*root->file), by_path);
	for (size_t i = 0; i < root->count; i++)
		if (count && strcmp(root->file[count - 1].path, root->file[i].path) == 0)
			free_file(&root->file[i]);
		else
			root->file[count++] = root->file[i];
	root->count = count;
}

static enum status find_all(struct root *root, const char *path)
{
	char *copy = strdup(path);

	return copy ? walk(root, copy) : fail(STATUS_FAILED, "out of memory");
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static enum status read_content(const struct root_file *file, uint32_t index, uint8_t *block,
                                struct objects *objects)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum status status = fd < 0 ? cannot(file->path, strerror(errno)) : STATUS_OK;

	for (uint64_t at = 0; at < file->record.size && status == STATUS_OK;) {
		uint64_t rest = file->record.size - at;
		ssize_t got = pread(fd, block, rest < BLOCK ? rest : BLOCK, (off_t)at);

		if (got <= 0)
			status = cannot(file->path, got < 0 ? strerror(errno) : "it became shorter");
		else if (!is_zero(block, (size_t)got))
			status = objects_embed(objects, index, at, block, (uint64_t)got);
		at += got > 0 ? (uint64_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	return status;
}

enum status root_read(const struct embeds *embeds, struct objects *objects, struct root *ret_root)
{
	struct root root = {0};
	enum status status = STATUS_OK;
	uint8_t *block = embeds->count ? malloc(BLOCK) : NULL;

	for (size_t i = 0; i < embeds->count && status == STATUS_OK; i++)
		status = find_all(&root, embeds->path[i]);
	sort(&root);
	if (status == STATUS_OK && embeds->count && !block)
		status = fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; i < root.count && status == STATUS_OK; i++)
		if (root.file[i].record.kind == SNAPIMG_ROOT_FILE)
			status = read_content(&root.file[i], (uint32_t)i, block, objects);
	free(block);
	*ret_root = root;
	return status;
}

enum snapimg_error root_write(const struct root *root, struct snapimg_writer *writer)
{
	enum snapimg_error error = SNAPIMG_OK;

	for (size_t i = 0; i < root->count && error == SNAPIMG_OK; i++) {
		const struct root_file *file = &root->file[i];
		struct snapimg_root record = file->record;

		if ((error = snapimg_writer_string(writer, file->path, &record.path)) ||
		    (error = snapimg_writer_string(writer, file->target ? file->target : "", &record.target)))
			break;
		error = snapimg_writer_add(writer, SNAPIMG_SECTION_ROOT, &record, sizeof(record));
	}
	return error;
}

void root_free(struct root *root)
{
	for (size_t i = 0; i < root->count; i++)
		free_file(&root->file[i]);
	free(root->file);
	*root = (struct root){0};
}

enum status snapshot_check_embed(const char *path)
{
	struct root root = {0};
	enum status status = find_all(&root, path);

	root_free(&root);
	return status;
}
