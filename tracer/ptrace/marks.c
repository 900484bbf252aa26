#include "tracer/ptrace/marks.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"

static enum status open_one(const struct remote *remote, struct mark *mark)
{
	return remote_call(remote, &mark->value, SYS_epoll_create1, 0, 0, 0, 0);
}

static bool has_open(pid_t pid, const struct mark *mark)
{
	return access(proc_path(pid, "fd/%d", (int)mark->value).text, F_OK) == 0;
}

static enum status close_one(const struct remote *remote, const struct mark *mark)
{
	int64_t result;

	return remote_call(remote, &result, SYS_close, (uint64_t)mark->value, 0, 0, 0);
}

static int64_t umask_of(pid_t pid)
{
	struct text text CLEANUP(text_free) = {0};

	if (proc_try_read(proc_path(pid, "status").text, &text) < 0)
		return -1;
	const char *value = proc_value(&text, "Umask");
	return *value ? strtol(value, NULL, 8) : -1;
}

static enum status turn_umask(const struct remote *remote, struct mark *mark)
{
	enum { ALL = 0777 };

	mark->before = umask_of(remote->tid);
	mark->value = ALL ^ (mark->before & ALL);
	return remote_call(remote, &(int64_t){0}, SYS_umask, (uint64_t)mark->value, 0, 0, 0);
}

static bool has_umask(pid_t pid, const struct mark *mark)
{
	return umask_of(pid) == mark->value;
}

static enum status turn_back(const struct remote *remote, const struct mark *mark)
{
	return remote_call(remote, &(int64_t){0}, SYS_umask, (uint64_t)mark->before, 0, 0, 0);
}

const struct mark_kind mark_of_descriptors = {open_one, has_open, close_one};
const struct mark_kind mark_of_place = {turn_umask, has_umask, turn_back};
