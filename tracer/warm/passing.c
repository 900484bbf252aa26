#include "tracer/warm/passing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "format/base/array.h"
#include "tracer/ptrace/memory.h"

static size_t find_made(const struct inputs *inputs, const char *path)
{
	size_t i = 0;

	while (i < inputs->made_count && strcmp(inputs->made[i], path) != 0)
		i++;
	return i;
}

static bool note_made(struct inputs *inputs, const char *path)
{
	char **added = array_add(inputs->made, inputs->made_count);

	if (added)
		*added = strdup(path);
	return added && *added;
}

/* A socket that is bound to no port of its choice can be seen by nobody, and is carried or refused as it is.
 */
static bool binds_nothing(pid_t pid, const struct call *call)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {0};
	size_t size = call->argument[2] < sizeof(address) ? call->argument[2] : sizeof(address);

	if (tracee_read(pid, call->argument[1], &address, size) < 0)
		return false;
	return (address.any.sa_family == AF_INET && address.v4.sin_port == 0) ||
	       (address.any.sa_family == AF_INET6 && address.v6.sin6_port == 0);
}

/* A server that isn't there, as the C library asks for nscd whenever somebody looks for a user. */
static bool connects_nowhere(struct inputs *inputs, pid_t pid, const struct call *call)
{
	struct sockaddr_un address = {0};
	size_t size = call->argument[2] < sizeof(address) ? call->argument[2] : sizeof(address);
	struct stat status;

	if (tracee_read(pid, call->argument[1], &address, size) < 0 || address.sun_family != AF_UNIX ||
	    address.sun_path[0] != '/' || !memchr(address.sun_path, '\0', sizeof(address.sun_path)) ||
	    lstat(address.sun_path, &status) == 0 || errno != ENOENT)
		return false;
	inputs_note_path(inputs, address.sun_path, PATH_FOLLOWED);
	return true;
}

/* Into a file that it made. */
static bool writes_made(const struct inputs *inputs, pid_t pid, const struct call *call)
{
	static const long calls[] = {SYS_write,    SYS_writev,    SYS_pwrite64,  SYS_pwritev,
	                             SYS_pwritev2, SYS_ftruncate, SYS_fallocate, SYS_fcntl};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (call->number == calls[i])
			return inputs_directory(pid, (int)call->argument[0], path) &&
			       find_made(inputs, path) < inputs->made_count;
	return false;
}

static bool makes_new(const struct call *call)
{
	uint64_t flags = call->number == SYS_open ? call->argument[1] : call->argument[2];

	return (call->number == SYS_open || call->number == SYS_openat) &&
	       (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
}

static bool makes_directory(const struct call *call)
{
#ifdef SYS_mkdir /* newer architectures have none */
	if (call->number == SYS_mkdir)
		return true;
#endif
	return call->number == SYS_mkdirat;
}

static bool takes_away(const struct call *call)
{
	static const long calls[] = {
#ifdef SYS_unlink /* newer architectures have neither */
	        SYS_unlink, SYS_rmdir,
#endif
	        SYS_unlinkat};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (call->number == calls[i])
			return true;
	return false;
}

bool passing_takes(struct inputs *inputs, pid_t pid, const struct call *call, bool trains)
{
	char path[PATH_MAX];
	struct stat status;
	bool by_cwd;

	if (call->number == SYS_bind)
		return binds_nothing(pid, call);
	if (call->number == SYS_connect)
		return connects_nowhere(inputs, pid, call);
	if (writes_made(inputs, pid, call))
		return true;
	if (!inputs_path(pid, call, path, &by_cwd))
		return false;
	size_t made = find_made(inputs, path);
	if (takes_away(call) && lstat(path, &status) < 0 && errno == ENOENT) {
		inputs->cwd_is_used |= by_cwd; /* it fails, as long as that isn't there */
		inputs_note_path(inputs, path, PATH_ITSELF);
		return true;
	}
	if (made < inputs->made_count && takes_away(call)) {
		free(inputs->made[made]);
		inputs->made_count--;
		memmove(inputs->made + made, inputs->made + made + 1,
		        (inputs->made_count - made) * sizeof(*inputs->made));
		return true;
	}
	if (makes_new(call) && lstat(path, &status) < 0)
		return note_made(inputs, path);
	if (makes_directory(call) && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return true; /* EEXIST */
	if (makes_directory(call) && (trains || inputs->makes_again) && lstat(path, &status) < 0) {
		inputs->makes_again = false;
		return note_made(inputs, path);
	}
	return made < inputs->made_count && (call->number == SYS_newfstatat || call->number == SYS_stat ||
	                                     call->number == SYS_lstat || call->number == SYS_statx);
}

const char *passing_left(const struct inputs *inputs)
{
	struct stat status;

	for (size_t i = 0; i < inputs->made_count; i++)
		if (lstat(inputs->made[i], &status) == 0)
			return inputs->made[i];
	return NULL;
}

void passing_take_away(const struct inputs *inputs)
{
	for (size_t i = inputs->made_count; i > 0; i--)
		(void)remove(
		        inputs->made[i - 1]); /* a directory after what is in it, and only if it's empty */
}
