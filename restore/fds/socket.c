/* Sockets of all families: made, then set as the records say in order: options, name, queue of connections.
 */
#include <asm/errno.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"

enum { SOCKET_LEVEL = 1, SNDBUF = 7, NO_SIGNAL = 0x4000, DONT_WAIT = 0x40 };

/* How the pair was made that begins with the object; NULL: by socketpair(2), or nobody needs that end. */
static const struct snapimg_setting *accepted_of(uint32_t index)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const struct snapimg_object *object = snapimg_get_object(&loader.image);
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++)
		if (setting[i].kind == SNAPIMG_SETTING_ACCEPTED &&
		    (setting[i].object == index || object[setting[i].object].peer == index + 1) &&
		    overrides_leave_object(setting[i].object))
			return &setting[i];
	return NULL;
}

static long make_pair(uint32_t index, int32_t *ret_other)
{
	const uint64_t *value = snapimg_get_object(&loader.image)[index].value;
	const struct snapimg_setting *accepted = accepted_of(index);
	int32_t ends[2] = {-1, -1};
	long result;
	if (accepted == NULL)
		result = sys(__NR_socketpair, value[SNAPIMG_SOCKET_DOMAIN],
		             value[SNAPIMG_SOCKET_TYPE] | O_CLOEXEC, value[SNAPIMG_SOCKET_PROTOCOL], ends);
	else if ((accepted->object == index) == (accepted->level == 0))
		result = unix_accept(accepted, &ends[0], &ends[1]);
	else
		result = unix_accept(accepted, &ends[1], &ends[0]);
	if (result < 0)
		return result;
	*ret_other = ends[1];
	return ends[0];
}

long socket_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const uint64_t *value = object->value;
	if (value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_RESET)
		return inet_make_reset(object);
	if (value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_SINGLE)
		return sys(__NR_socket, value[SNAPIMG_SOCKET_DOMAIN], value[SNAPIMG_SOCKET_TYPE] | O_CLOEXEC,
		           value[SNAPIMG_SOCKET_PROTOCOL]);
	return make_pair(index, ret_other);
}

/* By socket_make() already. */
long socket_accepted(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	(void)setting, (void)descriptor, (void)data;
	return 0;
}

long socket_option(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	return sys(__NR_setsockopt, descriptor, setting->level, setting->option, data, setting->size);
}

long socket_listen(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	(void)data;
	return sys(__NR_listen, descriptor, setting->option);
}

long socket_bind(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	if (unix_is_path(data, setting->size))
		return unix_bind(setting, descriptor, data);
	return sys(__NR_bind, descriptor, data, setting->size);
}

long socket_connect(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	if (unix_is_path(data, setting->size))
		return unix_connect(setting, descriptor, data);
	return sys(__NR_connect, descriptor, data, setting->size);
}

/* One message, or a part of a stream. */
long socket_fill(const struct snapimg_content *content, const uint8_t *bytes)
{
	int32_t before = 0, room = 1 << 30;
	uint32_t length = sizeof before;
	int from = objects_other_end(content->object);
	long result = sys(__NR_sendto, from, bytes, content->size, NO_SIGNAL | DONT_WAIT, 0, 0);
	/* Its buffer was made smaller after it was sent, or holds less in one piece. */
	if (result == -EAGAIN) {
		sys(__NR_getsockopt, from, SOCKET_LEVEL, SNDBUF, &before, &length);
		sys(__NR_setsockopt, from, SOCKET_LEVEL, SNDBUF, &room, sizeof room);
		result = sys(__NR_sendto, from, bytes, content->size, NO_SIGNAL | DONT_WAIT, 0, 0);
		before /= 2; /* the kernel doubles what it is given (socket(7)) */
		sys(__NR_setsockopt, from, SOCKET_LEVEL, SNDBUF, &before, sizeof before);
	}
	return result >= 0 && result != (long)content->size ? -EAGAIN : result;
}

long socket_complete(uint32_t index, int descriptor)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	uint64_t shut = object->value[SNAPIMG_SOCKET_SHUTDOWN];
	long result = object_complete_flags(index, descriptor);
	if (shut != 0)
		sys(__NR_shutdown, descriptor, shut - 1); /* SHUT_RD 0, SHUT_WR 1, both 2 */
	return result;
}
