/*
 * Names of Unix sockets that are paths. What this process binds must have the
 * name as the program gave it, so a relative one is bound in the program's
 * directory, which is not the caller's.
 */
#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/fcntl.h>

#include "restore/base/memory.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/become/directory.h"
#include "restore/fds/kinds.h"
#include "restore/fds/overrides.h"

enum {
	UNIX_FAMILY = 1,
	STREAM = 1,
	DATAGRAM = 2,
	FAMILY_SIZE = 2,
	PATH_SIZE = 108 + 4, /* the kernel's own copy may have one byte more than sun_path */
	ADDRESS_SIZE = 110,
	SOCKET_LEVEL = 1,
	PEERCRED = 17,
	BACKLOG = 128,
};

/* The last setting that made a file. NULL: none. */
static const struct snapimg_setting *last_bound;

bool unix_is_path(const uint8_t *address, uint32_t size)
{
	uint16_t family;
	memcpy(&family, address, sizeof family);
	return family == UNIX_FAMILY && size > FAMILY_SIZE && size <= ADDRESS_SIZE && address[2] != '\0';
}

static void path_of(const uint8_t *address, uint32_t size, char path[PATH_SIZE])
{
	memcpy(path, address + FAMILY_SIZE, size - FAMILY_SIZE);
	path[size - FAMILY_SIZE] = '\0';
}

/* A call with a name, to be made in the program's directory. */
struct naming {
	const struct snapimg_setting *setting;
	int descriptor;
	const uint8_t *address;
	long result;
};

static long in_directory(void (*call)(void *), struct naming *naming)
{
	if (naming->address[FAMILY_SIZE] == '/') {
		call(naming);
		return naming->result;
	}
	long result = directory_run(call, naming);
	return result < 0 ? result : naming->result;
}

/* Files of sockets that were made when the start is refused. */
static void unbind(void)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	char path[PATH_SIZE];
	for (; last_bound != NULL && setting <= last_bound; setting++) {
		if (setting->kind != SNAPIMG_SETTING_BIND || !overrides_leave_object(setting->object) ||
		    !unix_is_path(bytes + setting->offset, setting->size))
			continue;
		path_of(bytes + setting->offset, setting->size, path);
		sys(__NR_unlinkat, *path == '/' ? AT_FDCWD : directory_descriptor(), path, 0);
	}
}

/* A socket file that no process has bound was left by the process that was frozen, or by an earlier start.
 * One that is bound is no peer for a socket of another type (net/unix/af_unix.c, unix_find_bsd()), so who
 * listens there is not disturbed. */
static bool remove_stale(const char *path, const struct naming *naming)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[naming->setting->object];
	uint64_t type = object->value[SNAPIMG_SOCKET_TYPE] == DATAGRAM ? STREAM : DATAGRAM;
	long probe = sys(__NR_socket, UNIX_FAMILY, type | O_CLOEXEC, 0);
	if (probe < 0)
		return false;
	long result = sys(__NR_connect, probe, naming->address, naming->setting->size);
	sys(__NR_close, probe);
	return result == -ECONNREFUSED && sys(__NR_unlink, path) == 0;
}

static void bind_path(void *argument)
{
	struct naming *naming = argument;
	char path[PATH_SIZE];
	path_of(naming->address, naming->setting->size, path);
	naming->result = sys(__NR_bind, naming->descriptor, naming->address, naming->setting->size);
	if (naming->result == -EADDRINUSE && remove_stale(path, naming))
		naming->result = sys(__NR_bind, naming->descriptor, naming->address, naming->setting->size);
	if (naming->result == 0)
		sys(__NR_chmod, path, naming->setting->option);
}

/* What has it already, as in a directory whose group new files have, is left alone. */
static void chown_path(void *argument)
{
	const int flags = AT_SYMLINK_NOFOLLOW;
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	struct naming *naming = argument;
	struct stat file = {0};
	uint32_t owner[2];
	char path[PATH_SIZE];
	path_of(naming->address, naming->setting[-1].size, path);
	memcpy(owner, bytes + naming->setting->offset, sizeof owner);
	naming->result = sys(__NR_newfstatat, AT_FDCWD, path, &file, flags);
	if (naming->result == 0 && ((owner[0] != UINT32_MAX && owner[0] != file.st_uid) ||
	                            (owner[1] != UINT32_MAX && owner[1] != file.st_gid)))
		naming->result = sys(__NR_fchownat, AT_FDCWD, path, owner[0], owner[1], flags);
}

long unix_owner(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes,
	              *address = bytes + setting[-1].offset;
	struct naming naming = {.setting = setting, .descriptor = descriptor, .address = address};
	(void)data;
	return unix_is_path(address, setting[-1].size) ? in_directory(chown_path, &naming) : 0;
}

/* The name is free again at once; so another start that has it just now is waited for. */
static void bind_when_free(struct naming *naming)
{
	enum { ATTEMPTS = 5000 };
	static const struct {
		int64_t seconds, nanoseconds;
	} pause = {0, 1000000};
	naming->result = -EADDRINUSE;
	for (unsigned i = 0; i < ATTEMPTS && naming->result == -EADDRINUSE; i++) {
		naming->result = sys(__NR_bind, naming->descriptor, naming->address, naming->setting->size);
		if (naming->result == -EADDRINUSE)
			sys(__NR_nanosleep, &pause, 0);
	}
}

static void bind_path_for_a_moment(void *argument)
{
	struct naming *naming = argument;
	char path[PATH_SIZE];
	path_of(naming->address, naming->setting->size, path);
	bind_when_free(naming);
	if (naming->result == 0)
		sys(__NR_unlink, path);
}

static void connect_path(void *argument)
{
	struct naming *naming = argument;
	naming->result = sys(__NR_connect, naming->descriptor, naming->address, naming->setting->size);
}

long unix_bind(const struct snapimg_setting *setting, int descriptor, const uint8_t *address)
{
	struct naming naming = {.setting = setting, .descriptor = descriptor, .address = address};
	if (setting->kind == SNAPIMG_SETTING_BIND_GONE)
		return in_directory(bind_path_for_a_moment, &naming);
	long result = in_directory(bind_path, &naming);
	if (result < 0)
		return result;
	if (last_bound == NULL)
		undo_add(unbind);
	last_bound = setting;
	return result;
}

long unix_connect(const struct snapimg_setting *setting, int descriptor, const uint8_t *address)
{
	struct naming naming = {.setting = setting, .descriptor = descriptor, .address = address};
	return in_directory(connect_path, &naming);
}

/* Whether this process is on the other side, and not somebody who came to the name just now. */
static bool is_own(long descriptor)
{
	int32_t who[3] = {0};
	uint32_t size = sizeof who;
	return sys(__NR_getsockopt, descriptor, SOCKET_LEVEL, PEERCRED, who, &size) == 0 &&
	       who[0] == sys(__NR_getpid);
}

static long accept_own(int listener)
{
	for (;;) {
		long result = sys(__NR_accept4, listener, 0, 0, O_CLOEXEC);
		if (result < 0 || is_own(result))
			return result;
		sys(__NR_close, result);
	}
}

struct accepting {
	struct naming naming; /* of the listener */
	long accepted, connected;
};

static void bind_listener(struct naming *naming, const char *path)
{
	if (naming->setting->option == 0) {
		bind_when_free(naming);
		return;
	}
	naming->result = sys(__NR_bind, naming->descriptor, naming->address, naming->setting->size);
	if (naming->result == -EADDRINUSE && remove_stale(path, naming))
		naming->result = sys(__NR_bind, naming->descriptor, naming->address, naming->setting->size);
}

static void accept_there(void *argument)
{
	struct accepting *accepting = argument;
	struct naming *naming = &accepting->naming;
	bool is_path = unix_is_path(naming->address, naming->setting->size);
	char path[PATH_SIZE] = "";
	if (is_path)
		path_of(naming->address, naming->setting->size, path);
	bind_listener(naming, path);
	if (naming->result < 0)
		return;
	naming->result = sys(__NR_listen, naming->descriptor, BACKLOG);
	if (naming->result == 0)
		naming->result =
		        sys(__NR_connect, accepting->connected, naming->address, naming->setting->size);
	if (naming->result == 0 && !is_own(accepting->connected))
		naming->result = -EADDRINUSE;
	if (naming->result == 0)
		naming->result = accepting->accepted = accept_own(naming->descriptor);
	if (is_path)
		sys(__NR_unlink, path);
}

/* The listener is there for a moment only: what the program has of it is made later. */
long unix_accept(const struct snapimg_setting *setting, int32_t *ret_accepted, int32_t *ret_connected)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[setting->object];
	uint64_t type = object->value[SNAPIMG_SOCKET_TYPE] | O_CLOEXEC;
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	struct accepting it = {.naming = {.setting = setting, .address = bytes + setting->offset}};
	long listener = sys(__NR_socket, UNIX_FAMILY, type, 0);
	if (listener < 0)
		return listener;
	it.naming.descriptor = (int)listener;
	it.connected = it.naming.result = sys(__NR_socket, UNIX_FAMILY, type, 0);
	if (it.connected >= 0 && unix_is_path(it.naming.address, setting->size))
		it.naming.result = in_directory(accept_there, &it.naming);
	else if (it.connected >= 0)
		accept_there(&it);
	sys(__NR_close, listener);
	if (it.naming.result < 0) {
		if (it.connected >= 0)
			sys(__NR_close, it.connected);
		return it.naming.result;
	}
	*ret_accepted = (int32_t)it.accepted;
	*ret_connected = (int32_t)it.connected;
	return 0;
}
