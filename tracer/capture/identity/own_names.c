/* Files that the program made under a name with its ID in it, or with its ID as their content, as lock files
 * and PID files are: it comes back to them by that name, though it holds none of them open. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/array.h"
#include "tracer/capture/identify.h"
#include "tracer/capture/identity/look.h"

enum {
	ENTRIES_MOST = 20000, /* of a directory: more are not looked at */
	NAMES_MOST = 16,      /* one is enough to need the ID; these are for people */
	PID_FILE_MOST = 32,   /* bytes */
};

/* Where programs put such files, beside their own directory. */
static const char *const places[] = {"/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock"};

struct names {
	const struct look *look;
	const struct proc_stat *process;
	struct id_content content;
	pid_t pid;
};

/* Made, or only changed, since the program began. */
enum since { MADE, CHANGED };
static bool is_since(const struct names *names, int directory, const char *name, enum since since)
{
	struct statx times;

	if (statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_CTIME, &times) < 0)
		return false;
	if (since == CHANGED)
		times.stx_mask &= ~(uint32_t)STATX_BTIME;
	return is_younger(&times, names->process);
}

/* Nothing but the ID and a newline. */
static bool is_pid_file(const struct names *names, int directory, const char *name)
{
	char text[PID_FILE_MOST] = "";

	if (!strstr(name, "pid") && !strstr(name, "lock"))
		return false;
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	return size > 0 && names->content.decimal.length > 0 &&
	       id_content_look(&names->content, text, (size_t)size) == SNAPIMG_KEPT_CONTENT &&
	       id_content_has_text(&names->content, text, (size_t)size);
}

static enum status add_name(const struct names *names, const char *directory, const char *name,
                            enum snapimg_kept_kind kind)
{
	struct kept_ids *kept = names->look->kept;
	char **added = array_add(kept->name, kept->name_count);

	if (!added || asprintf(added, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name) < 0) {
		if (added)
			*added = NULL;
		return fail(STATUS_FAILED, "out of memory");
	}
	return kept_outside_keep(names->look, kind, *added);
}

static enum status look_at_entry(const struct names *names, int directory, const char *path, const char *name)
{
	if (names->look->kept->name_count >= NAMES_MOST)
		return STATUS_OK;
	if (id_content_has_text(&names->content, name, strlen(name)))
		return is_since(names, directory, name, MADE)
		               ? add_name(names, path, name, SNAPIMG_KEPT_OWN_NAME)
		               : STATUS_OK;
	return is_pid_file(names, directory, name) && is_since(names, directory, name, CHANGED)
	               ? add_name(names, path, name, SNAPIMG_KEPT_CONTENT)
	               : STATUS_OK;
}

/* In a large one something must have been made since the program began; a file that is written once more
 * doesn't show in its directory. */
static bool is_worth_reading(const struct names *names, int directory)
{
	enum { SMALL = 4096 };
	struct stat status;

	return (fstat(directory, &status) == 0 && status.st_size <= SMALL) ||
	       is_since(names, directory, ".", CHANGED);
}

static enum status look_in(const struct names *names, struct proc_path place, const char *path)
{
	enum status status = STATUS_OK;
	int fd = open(place.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 && is_worth_reading(names, fd) ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!directory) {
		if (fd >= 0)
			close(fd);
		return STATUS_OK;
	}
	for (int i = 0; i < ENTRIES_MOST && status == STATUS_OK && (entry = readdir(directory)); i++)
		status = look_at_entry(names, fd, path, entry->d_name);
	closedir(directory);
	return status;
}

enum status kept_look_at_own_names(const struct look *look, const struct proc_stat *process)
{
	struct names names = {.look = look, .process = process, .pid = look->threads->stopped->thread[0].tid};
	char directory[4096] = "";
	enum status status;

	if (look->search->decimal.length == 0) /* a small number: found everywhere */
		return STATUS_OK;
	id_content_begin(look->search->thread[0].tid, &names.content);
	struct proc_path own = proc_path(names.pid, "cwd");
	if (readlink(own.text, directory, sizeof(directory) - 1) <= 0)
		directory[0] = '\0';
	status = look_in(&names, own, directory);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places) && status == STATUS_OK; i++) {
		if (strcmp(directory, places[i]) != 0)
			status = look_in(&names, proc_path(names.pid, "root%s", places[i]), places[i]);
	}
	return status;
}
