#include "tracer/description.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"

int description_compare(pid_t left_pid, int left, pid_t right_pid, int right)
{
	return (int)syscall(SYS_kcmp, left_pid, right_pid, KCMP_FILE, (long)left, (long)right);
}

int description_spare_flag(int copy)
{
	struct stat file;

	if (fstat(copy, &file) == 0 && (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode)))
		return O_NONBLOCK;
	return O_APPEND;
}

/* -1: it can't be read. */
static int64_t read_flags(pid_t pid, int number)
{
	struct text info CLEANUP(text_free) = {0};
	char name[32];

	snprintf(name, sizeof(name), "fdinfo/%d", number);
	struct proc_path path = proc_path(pid, name);
	return proc_try_read(path.text, &info) == 0 ? (int64_t)proc_number(&info, "flags", 8) : -1;
}

bool description_is_copy_of(int copy, pid_t pid, int number)
{
	int flags = fcntl(copy, F_GETFL), spare = description_spare_flag(copy);
	int64_t before = read_flags(pid, number);

	if (flags < 0 || before < 0 || ((before ^ flags) & ~O_CLOEXEC) != 0 ||
	    fcntl(copy, F_SETFL, flags ^ spare) < 0)
		return false;
	int64_t after = read_flags(pid, number);
	(void)fcntl(copy, F_SETFL, flags);
	return after >= 0 && ((before ^ after) & spare) != 0;
}

bool description_visit(pid_t pid, description_visitor *visit, void *context)
{
	struct proc_path path = proc_path(pid, "fd");
	DIR *directory = opendir(path.text);
	struct dirent *entry;
	bool going = true;

	while (directory && going && (entry = readdir(directory))) {
		char link[4096];
		ssize_t length = entry->d_name[0] == '.' ? -1
		                                         : readlinkat(dirfd(directory), entry->d_name, link,
		                                                      sizeof(link) - 1);
		if (length < 0)
			continue;
		link[length] = '\0';
		going = visit(context, pid, atoi(entry->d_name), link);
	}
	if (directory)
		closedir(directory);
	return going;
}

bool description_visit_all(pid_t except, description_visitor *visit, void *context)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	bool going = true;

	while (directory && going && (entry = readdir(directory))) {
		pid_t pid = atoi(entry->d_name);
		if (pid > 0 && pid != except && pid != getpid())
			going = description_visit(pid, visit, context);
	}
	if (directory)
		closedir(directory);
	return going;
}
