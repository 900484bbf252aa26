/* Sockets: made, then set as the records say in order: options, name, queue of connections. */
#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/in.h>
#include <linux/stat.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/objects.h"

enum {
	UNIX_FAMILY = 1,
	SOCKET_LEVEL = 1,
	SNDBUF = 7,
	NO_SIGNAL = 0x4000,
	DONT_WAIT = 0x40,
	CLOEXEC = O_CLOEXEC,
	GET_INTERFACE_NUMBER = 0x8933 /* SIOCGIFINDEX */
};

int socket_make(const struct snapimg_object *object, int32_t *ret_other)
{
	const uint64_t *value = object->value;
	int32_t ends[2] = {-1, -1};
	if (value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_RESET)
		return reset_make(object);
	if (value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_SINGLE)
		return (int)sys(__NR_socket, value[SNAPIMG_SOCKET_DOMAIN],
		                value[SNAPIMG_SOCKET_TYPE] | CLOEXEC, value[SNAPIMG_SOCKET_PROTOCOL]);
	long result = sys(__NR_socketpair, value[SNAPIMG_SOCKET_DOMAIN], value[SNAPIMG_SOCKET_TYPE] | CLOEXEC,
	                  value[SNAPIMG_SOCKET_PROTOCOL], ends);
	if (result < 0)
		return (int)result;
	*ret_other = ends[1];
	return ends[0];
}

/* The path of a Unix socket's name, or NULL. The kernel's own copy is longer than the longest (AF_UNIX, 108).
 */
static const char *path_of(const uint8_t *address, uint32_t size, char path[112])
{
	uint16_t family;
	memcpy(&family, address, sizeof family);
	if (family != UNIX_FAMILY || size <= 2 || size > 110 || address[2] == '\0')
		return NULL;
	memcpy(path, address + 2, size - 2);
	path[size - 2] = '\0';
	return path;
}

/* A socket file that no process listens at was left by the process that was frozen, or by an earlier start.
 */
static bool remove_stale(const char *path, const struct snapimg_object *object, const uint8_t *address,
                         uint32_t size)
{
	long probe = sys(__NR_socket, UNIX_FAMILY, object->value[SNAPIMG_SOCKET_TYPE] | CLOEXEC, 0);
	if (probe < 0)
		return false;
	long result = sys(__NR_connect, probe, address, size);
	sys(__NR_close, probe);
	return result == -ECONNREFUSED && sys(__NR_unlink, path) == 0;
}

static void name_socket(const struct snapimg_setting *setting, int descriptor, const uint8_t *address)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[setting->object];
	char buffer[112];
	const char *path = path_of(address, setting->size, buffer);
	long result = sys(__NR_bind, descriptor, address, setting->size);
	if (result == -EADDRINUSE && path != NULL && remove_stale(path, object, address, setting->size))
		result = sys(__NR_bind, descriptor, address, setting->size);
	if (result < 0)
		object_die(setting->object, "give its address to", result);
	if (path != NULL)
		sys(__NR_chmod, path, setting->option);
}

/* The interface may have another number here. */
static long set_interface(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	static uint8_t value[65536]; /* no setting is longer */
	struct {
		char name[SNAPIMG_INTERFACE_NAME];
		int32_t number;
		uint8_t rest[20];
	} request = {{0}, 0, {0}}; /* struct ifreq */
	uint32_t size = setting->size - SNAPIMG_INTERFACE_NAME;
	memcpy(request.name, data, sizeof request.name);
	long result = sys(__NR_ioctl, descriptor, GET_INTERFACE_NUMBER, &request);
	if (result < 0)
		return result;
	memcpy(value, data + SNAPIMG_INTERFACE_NAME, size);
	memcpy(value, &request.number, sizeof request.number);
	return sys(__NR_setsockopt, descriptor, setting->level, setting->option, value, size);
}

void socket_set(uint32_t index, int descriptor)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++, setting++) {
		long result = 0;
		if (setting->object != index)
			continue;
		const uint8_t *data = bytes + setting->offset;
		switch ((enum snapimg_setting_kind)setting->kind) {
		case SNAPIMG_SETTING_OPTION:
			result = sys(__NR_setsockopt, descriptor, setting->level, setting->option, data,
			             setting->size);
			break;
		case SNAPIMG_SETTING_BIND:
			name_socket(setting, descriptor, data);
			break;
		case SNAPIMG_SETTING_LISTEN:
			result = sys(__NR_listen, descriptor, setting->option);
			break;
		case SNAPIMG_SETTING_CONNECT:
			result = sys(__NR_connect, descriptor, data, setting->size);
			break;
		case SNAPIMG_SETTING_INTERFACE:
			result = set_interface(setting, descriptor, data);
			break;
		case SNAPIMG_SETTING_TERMIOS:
		case SNAPIMG_SETTING_WINDOW:
			result = terminal_set(setting, descriptor, data);
			break;
		}
		if (result < 0)
			object_die(index, "set", result);
	}
}

void socket_send(uint32_t index, int from, const uint8_t *bytes, uint64_t size)
{
	int32_t before = 0, room = 1 << 30;
	uint32_t length = sizeof before;
	long result = sys(__NR_sendto, from, bytes, size, NO_SIGNAL | DONT_WAIT, 0, 0);
	if (result ==
	    -EAGAIN) { /* its buffer was made smaller after it was sent, or holds less in one piece */
		sys(__NR_getsockopt, from, SOCKET_LEVEL, SNDBUF, &before, &length);
		sys(__NR_setsockopt, from, SOCKET_LEVEL, SNDBUF, &room, sizeof room);
		result = sys(__NR_sendto, from, bytes, size, NO_SIGNAL | DONT_WAIT, 0, 0);
		before /= 2; /* the kernel doubles what it is given (socket(7)) */
		sys(__NR_setsockopt, from, SOCKET_LEVEL, SNDBUF, &before, sizeof before);
	}
	if (result != (long)size)
		object_die(index, "fill", result < 0 ? result : -EAGAIN);
}
