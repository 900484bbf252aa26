#include "tracer/description.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"

int description_compare(pid_t left_pid, int left, pid_t right_pid, int right)
{
	return (int)syscall(SYS_kcmp, proc_living(left_pid), proc_living(right_pid), KCMP_FILE, (long)left,
	                    (long)right);
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

	return proc_try_read(proc_path(pid, "fdinfo/%d", number).text, &info) == 0
	               ? (int64_t)proc_number(&info, "flags", 8)
	               : -1;
}

/* Another snaptrace may do the same to another description meanwhile: so the flag follows a pattern of
 * chance, which has both values. */
bool description_is_copy_of(int copy, pid_t pid, int number)
{
	enum { ROUNDS = 16, ONE = 1, OTHER = 2 };
	const int flags = fcntl(copy, F_GETFL), spare = description_spare_flag(copy);
	int64_t seen = read_flags(pid, number);
	uint32_t pattern = (uint32_t)pid;

	if (flags < 0 || seen < 0 || ((seen ^ flags) & ~(int64_t)(O_CLOEXEC | spare)) != 0)
		return false;
	if (getrandom(&pattern, sizeof(pattern), GRND_NONBLOCK) < 0)
		pattern *= 0x9e3779b9u;
	pattern = (pattern | ONE) & ~(uint32_t)OTHER;
	bool same = true;
	for (int round = 0; round < ROUNDS && same; round++) {
		int wanted = (pattern >> round & 1) != 0 ? spare : 0;
		same = fcntl(copy, F_SETFL, (flags & ~spare) | wanted) == 0;
		seen = same ? read_flags(pid, number) : -1;
		same = seen >= 0 && (seen & spare) == wanted;
	}
	(void)fcntl(copy, F_SETFL, flags);
	return same;
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
