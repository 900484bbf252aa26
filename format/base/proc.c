#include "format/base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/array.h"

void text_free(struct text *text)
{
	free(text->bytes);
	*text = (struct text){0};
}

/* Few processes have no main thread any more. */
static struct {
	struct stand_in {
		pid_t pid, tid;
	} * item;
	size_t count;
} stand_ins;

static struct stand_in *find_stand_in(pid_t pid)
{
	for (size_t i = 0; i < stand_ins.count; i++)
		if (stand_ins.item[i].pid == pid)
			return &stand_ins.item[i];
	return NULL;
}

bool proc_look_through(pid_t pid, pid_t tid)
{
	struct stand_in *it = find_stand_in(pid);

	if (!it && !(it = array_add(stand_ins.item, stand_ins.count)))
		return false;
	*it = (struct stand_in){pid, tid};
	return true;
}

void proc_look_directly(pid_t pid)
{
	struct stand_in *it = find_stand_in(pid);

	if (it)
		*it = stand_ins.item[--stand_ins.count];
}

pid_t proc_living(pid_t pid)
{
	const struct stand_in *it = find_stand_in(pid);

	return it ? it->tid : pid;
}

struct proc_path proc_path(pid_t pid, const char *format, ...)
{
	struct proc_path path = {"/proc/self/"};
	va_list arguments;
	size_t size;

	if (pid != PROC_SELF)
		snprintf(path.text, sizeof(path.text), "/proc/%d/", proc_living(pid));
	size = strlen(path.text);
	va_start(arguments, format);
	vsnprintf(path.text + size, sizeof(path.text) - size, format, arguments);
	va_end(arguments);
	return path;
}

static int read_all(int fd, struct text *text)
{
	size_t room = 0;

	for (;;) {
		char *bytes = array_reserve(text->bytes, text->size, text->bytes ? 4096 : 32768, &room, 1);
		if (!bytes)
			return -ENOMEM;
		text->bytes = bytes;
		ssize_t got = read(fd, text->bytes + text->size, room - text->size - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		text->bytes[text->size + (size_t)got] = '\0';
		if (got == 0)
			return 0;
		text->size += (size_t)got;
	}
}

int proc_try_read(const char *path, struct text *ret_text)
{
	struct text text = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int result = read_all(fd, &text);
	close(fd);
	if (result < 0)
		text_free(&text);
	else
		*ret_text = text;
	return result;
}

enum status proc_read(struct proc_path path, struct text *ret_text)
{
	int result = proc_try_read(path.text, ret_text);

	if (result < 0)
		return fail(STATUS_FAILED, "can't read the program's state: %s: %s", path.text,
		            strerror(-result));
	return STATUS_OK;
}

enum status proc_read_link(struct proc_path path, char *link, size_t size)
{
	ssize_t length = readlink(path.text, link, size - 1);

	if (length < 0)
		return fail(STATUS_FAILED, "can't read the program's state: %s: %s", path.text,
		            strerror(errno));
	link[length] = '\0';
	return STATUS_OK;
}

const char *proc_value(const struct text *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = text->bytes; line && *line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, key, length) == 0 && line[length] == ':')
			return line + length + 1 + strspn(line + length + 1, " \t");
	}
	return "";
}

size_t proc_value_length(const char *value)
{
	return strcspn(value, "\n");
}

uint64_t proc_number(const struct text *text, const char *key, int base)
{
	return strtoull(proc_value(text, key), NULL, base);
}

int proc_try_read_stat(pid_t pid, struct proc_stat *ret_stat)
{
	struct text text CLEANUP(text_free) = {0};
	struct proc_path path = proc_path(pid, "stat");
	int result = proc_try_read(path.text, &text);

	if (result < 0)
		return result;
	/* The name in field 2 may hold anything, also blanks and ')'. Field 3 is a letter. */
	const char *at = text.bytes ? strrchr(text.bytes, ')') : NULL;
	if (!at || strlen(at) < 4)
		return -EINVAL;
	char *next = text.bytes + (at - text.bytes) + 3;
	ret_stat->state = at[2];
	for (int i = 4; i < STAT_FIELDS; i++)
		ret_stat->field[i] = strtoull(next, &next, 10);
	return 0;
}

enum status proc_read_stat(pid_t pid, struct proc_stat *ret_stat)
{
	int result = proc_try_read_stat(pid, ret_stat);

	if (result < 0)
		return fail(STATUS_FAILED, "can't read the program's state: /proc/%d/stat: %s", pid,
		            strerror(-result));
	return STATUS_OK;
}

static bool is_dead(pid_t tid)
{
	struct proc_stat stat;

	return proc_try_read_stat(tid, &stat) < 0 || stat.state == 'Z' || stat.state == 'X';
}

/* The dead main thread of a living process is a zombie, too. */
bool proc_has_ended(pid_t pid)
{
	struct proc_stat stat;
	struct dirent *entry;
	bool ended = true;

	if (!is_dead(proc_living(pid)))
		return false;
	if (proc_try_read_stat(pid, &stat) < 0 || stat.field[STAT_THREADS] < 2)
		return true;
	DIR *directory = opendir(proc_path(pid, "task").text);
	while (directory && ended && (entry = readdir(directory)))
		ended = atoi(entry->d_name) <= 0 || is_dead(atoi(entry->d_name));
	if (directory)
		closedir(directory);
	return ended;
}

bool proc_is_kernel_worker(pid_t tid)
{
	/* PF_IO_WORKER and PF_USER_WORKER of include/linux/sched.h, which proc(5) shows as they are. */
	const uint64_t worker = 0x00000010 | 0x00004000;
	struct proc_stat stat;

	return proc_try_read_stat(tid, &stat) == 0 && stat.field[STAT_FLAGS] & worker;
}

struct family {
	pid_t parent;
	proc_visit_child *visit;
	void *context;
};

/* False: that was enough. */
static bool show_child(const struct family *family, pid_t child)
{
	struct proc_stat stat;

	return proc_try_read_stat(child, &stat) < 0 || (pid_t)stat.field[STAT_PPID] != family->parent ||
	       family->visit(family->context, child, &stat);
}

/* A kernel without CONFIG_PROC_CHILDREN: whoever names it as parent. */
static void search_children(const struct family *family)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	bool goes_on = true;

	while (directory && goes_on && (entry = readdir(directory)))
		goes_on = atoi(entry->d_name) <= 0 || show_child(family, atoi(entry->d_name));
	if (directory)
		closedir(directory);
}

void proc_visit_children(pid_t pid, proc_visit_child *visit, void *context)
{
	const struct family family = {.parent = pid, .visit = visit, .context = context};
	DIR *directory = opendir(proc_path(pid, "task").text);
	struct dirent *entry;
	bool goes_on = true;

	while (directory && goes_on && (entry = readdir(directory))) {
		struct text children CLEANUP(text_free) = {0};
		struct proc_path path = proc_path(pid, "task/%d/children", atoi(entry->d_name));
		char *rest;

		if (entry->d_name[0] == '.')
			continue;
		if (proc_try_read(path.text, &children) < 0) { /* no such file, or the thread has ended */
			if (atoi(entry->d_name) == pid)
				search_children(&family);
			continue;
		}
		rest = children.bytes;
		for (char *end; rest && goes_on; rest = end) {
			pid_t child = (pid_t)strtol(rest, &end, 10);

			if (end == rest)
				break;
			goes_on = show_child(&family, child);
		}
	}
	if (directory)
		closedir(directory);
}

struct search {
	bool living;
	pid_t found;
};

static bool note_child(void *context, pid_t child, const struct proc_stat *stat)
{
	struct search *search = context;

	if (!search->living || (stat->state != 'Z' && stat->state != 'X'))
		search->found = child;
	return search->found == 0;
}

pid_t proc_find_child(pid_t pid, bool living)
{
	struct search search = {.living = living};

	proc_visit_children(pid, note_child, &search);
	return search.found;
}
