#include "tracer/capture/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/proc.h"
#include "format/facts/buildid.h"

static bool same(const struct file *file, const char *path, const struct stat *identity, uint32_t check)
{
	return file->record.inode == identity->st_ino && file->record.device == identity->st_dev &&
	       file->record.check == check && strcmp(file->path, path) == 0;
}

/* One whose mode keeps its own user out, who may look at it all the same: by a mode that is put back at once.
 */
static int open_own(const struct file *file)
{
	struct stat found;
	int fd = -1, look = open(file->path, O_PATH | O_CLOEXEC);

	if (look >= 0 && fstat(look, &found) == 0 && found.st_uid == geteuid() &&
	    found.st_ino == file->record.inode && found.st_dev == file->record.device) {
		struct proc_path path = proc_path(PROC_SELF, "fd/%d", look);
		if (chmod(path.text, (found.st_mode & 07777) | S_IRUSR) == 0) {
			fd = open(path.text, O_RDONLY | O_CLOEXEC);
			(void)chmod(path.text, found.st_mode & 07777);
		}
	}
	if (look >= 0)
		close(look);
	return fd;
}

/* Opened only where it's a regular file: to open anything else may have effects. */
static void read_identity(struct file *file)
{
	uint8_t head[SNAPIMG_PAGE_SIZE];

	if (!S_ISREG(file->record.mode))
		return;
	file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (file->fd < 0 && errno == EACCES)
		file->fd = open_own(file);
	if (file->fd < 0)
		return;
	ssize_t got = pread(file->fd, head, sizeof(head), 0);
	if (got > 0)
		file->record.build_id_size = snapimg_build_id(head, (size_t)got, file->record.build_id);
}

enum status files_add(struct files *files, const char *path, const struct stat *identity,
                      enum snapimg_file_check check, size_t *ret_index)
{
	for (size_t i = files->count; i-- > 0;) { /* the mappings of a file follow each other */
		if (same(&files->file[i], path, identity, check)) {
			*ret_index = i;
			return STATUS_OK;
		}
	}
	struct file *file = array_add(files->file, files->count);
	if (!file)
		return fail(STATUS_FAILED, "out of memory");
	*file = (struct file){.fd = -1, .path = strdup(path)};
	if (!file->path)
		return fail(STATUS_FAILED, "out of memory");
	file->record = (struct snapimg_file){
	        .check = check,
	        .device = identity->st_dev,
	        .inode = identity->st_ino,
	        .size = (uint64_t)identity->st_size,
	        .mtime_seconds = identity->st_mtim.tv_sec,
	        .mtime_nanoseconds = (uint32_t)identity->st_mtim.tv_nsec,
	        .mode = identity->st_mode,
	};
	read_identity(file);
	*ret_index = files->count - 1;
	return STATUS_OK;
}

enum snapimg_error files_write(const struct files *files, struct snapimg_writer *writer)
{
	enum snapimg_error error = SNAPIMG_OK;

	for (size_t i = 0; i < files->count && error == SNAPIMG_OK; i++) {
		struct snapimg_file record = files->file[i].record;
		error = snapimg_writer_string(writer, files->file[i].path, &record.path);
		if (error == SNAPIMG_OK)
			error = snapimg_writer_add(writer, SNAPIMG_SECTION_FILES, &record, sizeof(record));
	}
	return error;
}

void files_set_shim(struct files *files, const char *path)
{
	struct file shim = {.fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1};
	struct stat identity;

	if (shim.fd >= 0 && fstat(shim.fd, &identity) == 0) {
		shim.path = strdup(path);
		shim.record.device = identity.st_dev;
		shim.record.inode = identity.st_ino;
	}
	files->shim = shim;
}

bool files_is_shim(const struct files *files, const struct stat *identity)
{
	const struct file *shim = &files->shim;

	return shim->path && shim->record.device == identity->st_dev &&
	       shim->record.inode == identity->st_ino;
}

static bool is_image(const char *path)
{
	char magic[SNAPIMG_MAGIC_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return false;
	bool has_magic = read(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
	                 memcmp(magic, SNAPIMG_MAGIC, sizeof(magic)) == 0;
	close(fd);
	return has_magic;
}

void files_free(struct files *files)
{
	free(files->shim.path);
	if (files->shim.path)
		close(files->shim.fd);
	for (size_t i = 0; i < files->count; i++) {
		free(files->file[i].path);
		if (files->file[i].fd >= 0)
			close(files->file[i].fd);
	}
	free(files->file);
	*files = (struct files){0};
}

/* The device numbers that /proc/PID/maps shows for a file of overlayfs or btrfs aren't those that
 * stat(2) tells. The same file mapped here shows the same numbers, whatever they are. */
static bool maps_alike(const struct vma *vma)
{
	bool alike = false;
	struct maps own = {0};
	int fd = open(vma->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return false;
	void *view = mmap(NULL, SNAPIMG_PAGE_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (view == MAP_FAILED)
		return false;
	if (maps_read(getpid(), &own) == STATUS_OK) {
		const struct vma *mine = maps_find(&own, (uint64_t)view);
		alike = mine && mine->inode == vma->inode && mine->major == vma->major &&
		        mine->minor == vma->minor;
	}
	maps_free(&own);
	munmap(view, SNAPIMG_PAGE_SIZE);
	return alike;
}

bool files_leads_to(const struct vma *vma, struct stat *ret_identity)
{
	struct stat found;

	if (vma->name[0] != '/' || stat(vma->name, &found) < 0)
		return false;
	bool numbers_match = found.st_ino == vma->inode && major(found.st_dev) == vma->major &&
	                     minor(found.st_dev) == vma->minor;
	if (!numbers_match && !(S_ISREG(found.st_mode) && maps_alike(vma)))
		return false;
	*ret_identity = found;
	return true;
}

const struct named_file *files_named(struct files *files, const struct vma *vma)
{
	struct named_file *last = &files->last;
	const struct vma *before = last->vma;

	if (before && before->inode == vma->inode && before->major == vma->major &&
	    before->minor == vma->minor && strcmp(before->name, vma->name) == 0)
		return last;
	*last = (struct named_file){.vma = vma};
	last->is_there = files_leads_to(vma, &last->identity);
	last->is_image = last->is_there && S_ISREG(last->identity.st_mode) && is_image(vma->name);
	return last;
}

/* What the kernel writes after a name that is gone (d_path(), fs/d_path.c). */
static size_t length_of_deleted(const char *name)
{
	static const char mark[] = " (deleted)";
	size_t length = strlen(name), tail = sizeof(mark) - 1;

	return name[0] == '/' && length > tail && strcmp(name + length - tail, mark) == 0 ? length - tail : 0;
}

bool files_other_name(const struct vma *vma, char *ret_name, struct stat *ret_identity)
{
	char directory[PATH_MAX], name[PATH_MAX];
	size_t length = length_of_deleted(vma->name);
	bool found = false;

	if (length == 0 || length >= sizeof(directory))
		return false;
	memcpy(directory, vma->name, length);
	directory[length] = '\0';
	*(strrchr(directory, '/') + 1) = '\0';
	DIR *list = opendir(directory);
	if (!list)
		return false;
	for (const struct dirent *entry; !found && (entry = readdir(list)) != NULL;) {
		struct stat identity;
		if (entry->d_ino != vma->inode ||
		    snprintf(name, sizeof(name), "%s%s", directory, entry->d_name) >= (int)sizeof(name) ||
		    lstat(name, &identity) < 0 || !S_ISREG(identity.st_mode))
			continue;
		found = identity.st_ino == vma->inode && major(identity.st_dev) == vma->major &&
		        minor(identity.st_dev) == vma->minor;
		if (found) {
			memcpy(ret_name, name, sizeof(name));
			*ret_identity = identity;
		}
	}
	closedir(list);
	return found;
}
