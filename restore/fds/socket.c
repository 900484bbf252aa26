/* Sockets of all families: made, then set as the records say in order: options, name, queue of connections.
 */
#include <asm/errno.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"

enum {
	UNIX_FAMILY = 1,
	DATAGRAMS = 2,
	NETLINK_FAMILY = 16,
	SOCKET_LEVEL = 1,
	RIGHTS = 1,
	SNDBUF = 7,
	RCVBUF = 8,
	SNDBUF_FORCE = 32,
	RCVBUF_FORCE = 33,
	BUF_LOCK = 72,
	TCP_LEVEL = 6,
	WINDOW_CLAMP = 10,
	QUICK_ACK = 12,
	ATTACH_FILTER = 26,
	LOCK_FILTER = 44,
	NO_SIGNAL = 0x4000,
	DONT_WAIT = 0x40
};

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

static bool is_tcp_end(uint32_t object)
{
	return snapimg_get_object(&loader.image)[object].value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_TCP;
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
	if (value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_TCP)
		return tcp_make(index, ret_other);
	if (value[SNAPIMG_SOCKET_STATE] != SNAPIMG_SOCKET_PAIR)
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

/* The kernel cuts the size to what the administrator allows, but for one. */
static long set_buffer(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	static bool told;
	int32_t wanted = 0, now = 0;
	uint32_t size = sizeof now;
	long result = sys(__NR_setsockopt, descriptor, SOCKET_LEVEL, setting->option, data, setting->size);
	if (result < 0 || setting->size != sizeof wanted ||
	    sys(__NR_getsockopt, descriptor, SOCKET_LEVEL, setting->option, &now, &size) < 0)
		return result;
	memcpy(&wanted, data, sizeof wanted);
	if (now / 2 >= wanted || /* the kernel doubles what it is given (socket(7)) */
	    sys(__NR_setsockopt, descriptor, SOCKET_LEVEL,
	        setting->option == SNDBUF ? SNDBUF_FORCE : RCVBUF_FORCE, data, setting->size) == 0 ||
	    told)
		return 0;
	told = true;
	warn("descriptors: a socket's buffer is smaller than the program has made it: raise net.core.",
	     setting->option == SNDBUF ? "wmem_max" : "rmem_max");
	return 0;
}

/* What a connection's traffic, or that it begins to listen, changes (net/ipv4/tcp_input.c,
 * inet_connection_sock.c); and the sizes of buffers, which other options change. */
bool socket_is_settled_last(const struct snapimg_setting *setting)
{
	if (setting->kind != SNAPIMG_SETTING_OPTION)
		return false;
	return setting->level == TCP_LEVEL ? setting->option == WINDOW_CLAMP || setting->option == QUICK_ACK
	                                   : setting->level == SOCKET_LEVEL && (setting->option == SNDBUF ||
	                                                                        setting->option == RCVBUF ||
	                                                                        setting->option == BUF_LOCK);
}

long socket_option(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	if (setting->level == SOCKET_LEVEL && (setting->option == SNDBUF || setting->option == RCVBUF))
		return set_buffer(setting, descriptor, data);
	if (is_tcp_end(setting->object))
		return tcp_option(setting, descriptor, data);
	return sys(__NR_setsockopt, descriptor, setting->level, setting->option, data, setting->size);
}

long socket_listen(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	(void)data;
	return sys(__NR_listen, descriptor, setting->option);
}

/* A port is a number by which the kernel finds a socket, often the ID of its process: where another one has
 * it, the kernel chooses. */
static long bind_netlink(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	struct {
		uint16_t family, padding;
		uint32_t port, groups;
	} name = {NETLINK_FAMILY, 0, 0, 0};
	long result = sys(__NR_bind, descriptor, data, setting->size);
	if (result != -EADDRINUSE)
		return result;
	result = sys(__NR_bind, descriptor, &name, sizeof name);
	if (result == 0)
		warn("descriptors: a netlink socket has another port than the program knows: its own was "
		     "taken");
	return result;
}

long socket_bind(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	if (unix_is_path(data, setting->size))
		return unix_bind(setting, descriptor, data);
	if (is_tcp_end(setting->object))
		return 0; /* by tcp_make() */
	if (snapimg_get_object(&loader.image)[setting->object].value[SNAPIMG_SOCKET_DOMAIN] == NETLINK_FAMILY)
		return bind_netlink(setting, descriptor, data);
	return tcp_bind(setting, descriptor, data);
}

long socket_connect(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	if (unix_is_path(data, setting->size))
		return unix_connect(setting, descriptor, data);
	return sys(__NR_connect, descriptor, data, setting->size);
}

struct part {
	const void *bytes;
	uint64_t size;
};
/* struct msghdr, and struct cmsghdr with what follows it. */
struct letter {
	struct {
		const void *name;
		uint32_t name_size, padding;
		const struct part *part;
		uint64_t parts;
		const void *control;
		uint64_t control_size;
		int32_t flags, end;
	} header;
	struct {
		uint64_t size;
		int32_t level, type;
		int32_t descriptor[SNAPIMG_PASSED_MAX];
	} control;
};

/* The descriptors that come with the message, with their places. */
static uint32_t collect_passed(const struct snapimg_content *content, int32_t *descriptor)
{
	const struct snapimg_passed *passed = snapimg_get_passed(&loader.image);
	uint32_t index = (uint32_t)(content - snapimg_get_content(&loader.image)), count = 0;
	for (uint32_t i = 0; i < snapimg_passed_count(&loader.image); i++) {
		if (passed[i].content != index)
			continue;
		descriptor[count] = objects_descriptor(passed[i].object);
		if (passed[i].position != 0)
			sys(__NR_lseek, descriptor[count], passed[i].position, 0);
		count++;
	}
	return count;
}

static long send_message(int from, const struct snapimg_content *content, const uint8_t *bytes)
{
	struct letter letter = {0};
	const struct part part = {bytes, content->size};
	uint32_t count = collect_passed(content, letter.control.descriptor);
	letter.control.size = 16 + count * sizeof(int32_t);
	letter.control.level = SOCKET_LEVEL;
	letter.control.type = RIGHTS;
	letter.header.part = &part;
	letter.header.parts = 1;
	letter.header.control = count > 0 ? &letter.control : NULL;
	letter.header.control_size = count > 0 ? letter.control.size : 0;
	return sys(__NR_sendmsg, from, &letter.header, NO_SIGNAL | DONT_WAIT);
}

/* What waits at a name of Unix: sent there by a socket without one. */
static long send_to_name(const struct snapimg_content *content, const uint8_t *bytes)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const struct snapimg_setting *end = setting + snapimg_setting_count(&loader.image);
	const uint8_t *names = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	const int32_t room = 1 << 30;
	while (setting < end && (setting->kind != SNAPIMG_SETTING_BIND || setting->object != content->object))
		setting++;
	long from = setting == end ? -EINVAL : sys(__NR_socket, UNIX_FAMILY, DATAGRAMS | O_CLOEXEC, 0);
	if (from < 0)
		return from;
	sys(__NR_setsockopt, from, SOCKET_LEVEL, SNDBUF, &room, sizeof room);
	long result = socket_connect(setting, (int)from, names + setting->offset);
	if (result >= 0)
		result = send_message((int)from, content, bytes);
	sys(__NR_close, from);
	return result;
}

/* One message, or a part of a stream. */
long socket_fill(const struct snapimg_content *content, const uint8_t *bytes)
{
	int32_t before = 0, room = 1 << 30;
	uint32_t length = sizeof before;
	const uint64_t *value = snapimg_get_object(&loader.image)[content->object].value;
	bool waits = value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_WAITS;
	if (value[SNAPIMG_SOCKET_DOMAIN] == UNIX_FAMILY &&
	    value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_SINGLE) {
		long sent = send_to_name(content, bytes);
		return sent >= 0 && sent != (long)content->size ? -EAGAIN : sent;
	}
	int from = waits ? objects_descriptor(content->object) : objects_other_end(content->object);
	if (value[SNAPIMG_SOCKET_DOMAIN] != UNIX_FAMILY)
		return tcp_fill(from, waits ? -1 : objects_descriptor(content->object), bytes, content->size);
	long result = send_message(from, content, bytes);
	/* Its buffer was made smaller after it was sent, or holds less in one piece. */
	if (result == -EAGAIN) {
		sys(__NR_getsockopt, from, SOCKET_LEVEL, SNDBUF, &before, &length);
		sys(__NR_setsockopt, from, SOCKET_LEVEL, SNDBUF, &room, sizeof room);
		result = send_message(from, content, bytes);
		before /= 2; /* the kernel doubles what it is given (socket(7)) */
		sys(__NR_setsockopt, from, SOCKET_LEVEL, SNDBUF, &before, sizeof before);
	}
	return result >= 0 && result != (long)content->size ? -EAGAIN : result;
}

/* By socket_complete(): what is in the socket came before it, or through another one. */
long socket_filtered(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	(void)setting, (void)descriptor, (void)data;
	return 0;
}

static long set_filter(const struct snapimg_setting *setting, int descriptor)
{
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	const struct {
		uint16_t count;
		const uint8_t *filter;
	} program = {(uint16_t)(setting->size / SNAPIMG_FILTER_SIZE), bytes + setting->offset};
	const int32_t on = 1;
	long result = sys(__NR_setsockopt, descriptor, SOCKET_LEVEL, ATTACH_FILTER, &program, sizeof program);
	if (result == 0 && setting->option == 1)
		result = sys(__NR_setsockopt, descriptor, SOCKET_LEVEL, LOCK_FILTER, &on, sizeof on);
	return result;
}

static long set_filters(uint32_t index, int descriptor)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	long result = 0;
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image) && result == 0; i++)
		if (setting[i].kind == SNAPIMG_SETTING_FILTER && setting[i].object == index)
			result = set_filter(&setting[i], descriptor);
	return result;
}

long socket_complete(uint32_t index, int descriptor)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	uint64_t shut = object->value[SNAPIMG_SOCKET_SHUTDOWN];
	long result = object_complete_flags(index, descriptor);
	if (shut != 0)
		sys(__NR_shutdown, descriptor, shut - 1); /* SHUT_RD 0, SHUT_WR 1, both 2 */
	tcp_complete(index, descriptor);
	long filtered = result < 0 ? result : set_filters(index, descriptor);
	return filtered < 0 ? filtered : result;
}
