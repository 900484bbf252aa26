/* Files with a name, which are opened again by it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "tracer/capture/fds/find_path.h"
#include "tracer/capture/fds/kinds.h"

/* Character devices that have no state but their flags: X(major, minor).
 * Documentation/admin-guide/devices.txt */
#define STATELESS_DEVICES(X) X(1, 3) X(1, 5) X(1, 7) X(1, 8) X(1, 9) X(5, 0)

static bool is_stateless_device(const struct stat *identity)
{
	bool found = false;

#define X(high, low) found = found || identity->st_rdev == makedev(high, low);
	STATELESS_DEVICES(X)
#undef X
	return found && S_ISCHR(identity->st_mode);
}

static bool is_terminal(const struct open_descriptor *it)
{
	return strncmp(it->link, "/dev/pt", 7) == 0 || strncmp(it->link, "/dev/tty", 8) == 0;
}

static enum status refuse_by_type(const struct survey *survey, const struct open_descriptor *it)
{
	mode_t mode = it->identity.st_mode;

	if (!it->known || it->link[0] != '/')
		return refuse_descriptor(survey, it, "an unknown kind of descriptor",
		                         "close it before the point");
	if (it->flags & O_PATH) /* whatever the path leads to: it is not opened */
		return STATUS_OK;
	if (S_ISBLK(mode))
		return refuse_descriptor(survey, it, "a block device", "close it before the point");
	if (S_ISCHR(mode) && !is_stateless_device(&it->identity))
		return refuse_descriptor(survey, it,
		                         is_terminal(it) ? "a terminal that was not inherited" : "a device",
		                         "close it before the point");
	return STATUS_OK;
}

static __fsword_t filesystem_of(const struct open_descriptor *it)
{
	struct statfs system;

	return statfs(proc_path(it->pid, "fd/%d", it->number).text, &system) == 0 ? system.f_type : 0;
}

/* Files the kernel makes up have no size and another time at each look. */
static bool is_made_up(const struct open_descriptor *it)
{
	__fsword_t type = filesystem_of(it);

	return type == PROC_SUPER_MAGIC || type == SYSFS_MAGIC || type == CGROUP_SUPER_MAGIC ||
	       type == CGROUP2_SUPER_MAGIC;
}

/* Of the directories there, what has another number in another process, or is not there yet when it is
 * opened. */
static bool is_numbered(const char *rest)
{
	static const char *const directories[] = {"/fd/", "/fdinfo/", "/map_files/", "/task/"};

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		if (strncmp(rest, directories[i], strlen(directories[i])) == 0)
			return true;
	return false;
}

static struct proc_path own_directory(const struct open_descriptor *it)
{
	return proc_path(it->pid, "%s", "");
}

/* What follows the path of a directory, given with its '/' at the end: "" or from that '/' on; or NULL. */
static const char *below(const char *path, const char *directory)
{
	size_t length = strlen(directory) - 1;

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0')
	               ? path + length
	               : NULL;
}

/* What the process calls its own /proc directory, or its main thread's, by whatever number it has; of other
 * paths and what has numbers itself NULL. */
static const char *own_name(const struct open_descriptor *it, char name[PATH_MAX])
{
	struct proc_path own = own_directory(it);
	struct proc_path task = proc_path(it->pid, "task/%d/", it->pid);
	const char *rest;

	if ((rest = below(it->link, task.text)) && !is_numbered(rest))
		snprintf(name, PATH_MAX, "/proc/thread-self%s", rest);
	else if ((rest = below(it->link, own.text)) && !is_numbered(rest))
		snprintf(name, PATH_MAX, "/proc/self%s", rest);
	else
		return NULL;
	return name;
}

static bool is_own(const struct open_descriptor *it)
{
	struct proc_path own = own_directory(it);

	return strncmp(it->link, own.text, strlen(own.text)) == 0;
}

/* The place of a file or directory is the description's. What only appends has none that counts. */
enum holding file_holding(const struct open_descriptor *it)
{
	const uint32_t appends = O_WRONLY | O_APPEND;

	if (!it->known || (it->flags & O_PATH) || (it->flags & (O_ACCMODE | O_APPEND)) == appends ||
	    !(S_ISREG(it->identity.st_mode) || S_ISDIR(it->identity.st_mode)))
		return HELD_UNNOTICED;
	return HELD_DESCRIPTION;
}

static bool is_written(const struct survey *survey, const struct stat *file)
{
	for (size_t i = 0; i < survey->count; i++) {
		const struct open_descriptor *it = &survey->open[i];
		if (it->known && !(it->flags & O_PATH) && (it->flags & O_ACCMODE) != O_RDONLY &&
		    it->identity.st_dev == file->st_dev && it->identity.st_ino == file->st_ino)
			return true;
	}
	return false;
}

bool file_can_be_embedded(const struct survey *survey, const struct open_descriptor *it)
{
	return it->known && it->link[0] == '/' && S_ISREG(it->identity.st_mode) &&
	       it->identity.st_nlink > 0 && (it->flags & (O_ACCMODE | O_PATH)) == O_RDONLY &&
	       !is_made_up(it) && !is_written(survey, &it->identity);
}

/* Of a namespace that the process is in, and that it has from its caller, the link is "net:[4026531840]": in
 * each start it is the program's own again. */
static enum status record_namespace(const struct open_descriptor *it, struct files *files,
                                    struct snapimg_descriptor *record, bool *ret_is_one)
{
	static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
	struct stat its, own;
	enum status status;
	size_t index;

	*ret_is_one = false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !*ret_is_one; i++) {
		size_t length = strlen(names[i]);
		char name[64];
		if (strncmp(it->link, names[i], length) != 0 || it->link[length] != ':' || !it->known ||
		    stat(proc_path(it->pid, "ns/%s", names[i]).text, &its) < 0 ||
		    stat(proc_path(PROC_SELF, "ns/%s", names[i]).text, &own) < 0 ||
		    its.st_ino != it->identity.st_ino || own.st_ino != its.st_ino || own.st_dev != its.st_dev)
			continue;
		snprintf(name, sizeof(name), "/proc/self/ns/%s", names[i]);
		if ((status = files_add(files, name, &its, SNAPIMG_CHECK_EXISTS, &index)) != STATUS_OK)
			return status;
		*record = (struct snapimg_descriptor){.number = it->number,
		                                      .kind = SNAPIMG_DESCRIPTOR_FILE,
		                                      .close_on_exec = record->close_on_exec,
		                                      .flags = it->flags & SNAPIMG_OPEN_FLAGS,
		                                      .file = (uint32_t)index + 1};
		*ret_is_one = true;
	}
	return STATUS_OK;
}

static void free_path(char **path)
{
	free(*path);
}

/* Another name of a file whose first one was removed: link(2), then unlink(2). NULL: not found. */
static enum status find_other_name(const struct survey *survey, const struct open_descriptor *it,
                                   struct stat *ret_found, char **ret_path)
{
	struct wanted_path wanted = {.device = it->identity.st_dev, .inode = it->identity.st_ino};
	enum status status;

	*ret_path = NULL;
	if (it->flags & O_PATH || !S_ISREG(it->identity.st_mode) || it->identity.st_nlink == 0)
		return STATUS_OK;
	if ((status = find_paths(survey, it->pid, &wanted, 1)) != STATUS_OK || !wanted.path)
		return status;
	if (lstat(wanted.path, ret_found) == 0 && ret_found->st_dev == wanted.device &&
	    ret_found->st_ino == wanted.inode)
		*ret_path = wanted.path;
	else
		free(wanted.path);
	return STATUS_OK;
}

enum status record_file(const struct survey *survey, const struct open_descriptor *it, struct files *files,
                        struct snapimg_descriptor *record)
{
	char own[PATH_MAX];
	const char *name = own_name(it, own);
	char *other CLEANUP(free_path) = NULL;
	uint32_t flags = it->flags & SNAPIMG_OPEN_FLAGS & ~(uint32_t)O_ASYNC;
	struct stat found;
	enum status status;
	size_t index;

	bool is_namespace;
	status = record_namespace(it, files, record, &is_namespace);
	if (status != STATUS_OK || is_namespace)
		return status;
	if ((status = refuse_by_link(survey, it)) != STATUS_OK ||
	    (status = refuse_by_type(survey, it)) != STATUS_OK ||
	    (status = refuse_held(survey, it, "a file whose place is shared with another process")) !=
	            STATUS_OK)
		return status;
	if (lstat(it->link, &found) < 0 || found.st_dev != it->identity.st_dev ||
	    found.st_ino != it->identity.st_ino) {
		if ((status = find_other_name(survey, it, &found, &other)) != STATUS_OK)
			return status;
		if (!other)
			return refuse_descriptor(survey, it, "a deleted or replaced file",
			                         "close it before the point");
		name = other;
	}
	if (!name && is_own(it))
		return refuse_descriptor(survey, it, "a file of the process's own /proc that has a number",
		                         "close it before the point");
	bool stamped =
	        S_ISREG(found.st_mode) && (flags & (O_ACCMODE | O_PATH)) == O_RDONLY && !is_made_up(it);
	status = files_add(files, name ? name : it->link, &found,
	                   stamped ? SNAPIMG_CHECK_STAMP : SNAPIMG_CHECK_EXISTS, &index);
	if (status != STATUS_OK)
		return status;
	record->kind = SNAPIMG_DESCRIPTOR_FILE;
	if (name) /* one that may lead there by a link */
		flags &= ~(uint32_t)O_NOFOLLOW;
	record->flags = flags | (S_ISLNK(found.st_mode) ? O_NOFOLLOW : 0);
	record->position = it->position;
	record->file = (uint32_t)index + 1;
	return STATUS_OK;
}
