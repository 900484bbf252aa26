/*
 * TCP connections both ends of which are the program's: made again over the
 * loopback, by a listener that is there for a moment, with the addresses that
 * the ends had. TCP_REPAIR would need a privilege.
 */
#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"

enum {
	IPV4_FAMILY = 2,
	IPV6_FAMILY = 10,
	STREAM = 1,
	SOCKET_LEVEL = 1,
	REUSE_ADDRESS = 2,
	REUSE_PORT = 15,
	LOW_WATER = 18,
	TCP_LEVEL = 6,
	NO_DELAY = 1,
	NO_SIGNAL = 0x4000,
	DONT_WAIT = 0x40,
};

union tcp_address {
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};
static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* An end of a connection that is being made. */
struct end {
	uint32_t object;
	uint64_t domain;
	const struct snapimg_setting *bind;
	const uint8_t *address;
	bool is_moved; /* its address can't be had */
};

static bool is_stream(uint32_t index)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const uint64_t *value = object->value;
	return object->kind == SNAPIMG_OBJECT_SOCKET && value[SNAPIMG_SOCKET_TYPE] == STREAM &&
	       (value[SNAPIMG_SOCKET_DOMAIN] == IPV4_FAMILY || value[SNAPIMG_SOCKET_DOMAIN] == IPV6_FAMILY);
}

static bool has_connections(void)
{
	const struct snapimg_object *object = snapimg_get_object(&loader.image);
	for (uint32_t i = 0; i < snapimg_object_count(&loader.image); i++)
		if (is_stream(i) && object[i].value[SNAPIMG_SOCKET_STATE] >= SNAPIMG_SOCKET_TCP)
			return true;
	return false;
}

static bool is_internet(const uint64_t *value)
{
	return value[SNAPIMG_SOCKET_DOMAIN] == IPV4_FAMILY || value[SNAPIMG_SOCKET_DOMAIN] == IPV6_FAMILY;
}

static void set_flag(int descriptor, int option, int32_t value)
{
	sys(__NR_setsockopt, descriptor, SOCKET_LEVEL, option, &value, sizeof value);
}

static void reuse_address(int descriptor, int32_t value)
{
	set_flag(descriptor, REUSE_ADDRESS, value);
}

/* Both families alike: the port, and the address as one of IPv6. */
static uint16_t plain(const union tcp_address *address, uint8_t bytes[16])
{
	if (address->v6.sin6_family == IPV6_FAMILY) {
		memcpy(bytes, &address->v6.sin6_addr, 16);
	} else {
		memcpy(bytes, mapped, sizeof mapped);
		memcpy(bytes + sizeof mapped, &address->v4.sin_addr, 4);
	}
	return address->v4.sin_port; /* at the same place in both */
}

static bool is_same(const union tcp_address *left, const union tcp_address *right)
{
	uint8_t of_left[16], of_right[16];
	uint16_t left_port = plain(left, of_left), right_port = plain(right, of_right);
	return left_port == right_port && memcmp(of_left, of_right, sizeof of_left) == 0;
}

/* As a socket of that domain takes it; returns its size. */
static uint32_t translate(const union tcp_address *from, uint64_t domain, union tcp_address *ret_address)
{
	uint8_t bytes[16];
	uint16_t port = plain(from, bytes);
	if (domain == IPV6_FAMILY) {
		union tcp_address address = {.v6 = {.sin6_family = IPV6_FAMILY, .sin6_port = port}};
		memcpy(&address.v6.sin6_addr, bytes, sizeof bytes);
		if (from->v6.sin6_family == IPV6_FAMILY)
			address.v6.sin6_scope_id = from->v6.sin6_scope_id;
		*ret_address = address;
		return sizeof address.v6;
	}
	*ret_address = (union tcp_address){.v4 = {.sin_family = IPV4_FAMILY, .sin_port = port}};
	memcpy(&ret_address->v4.sin_addr, bytes + sizeof mapped, 4);
	return sizeof ret_address->v4;
}

static void name_of(int descriptor, union tcp_address *ret_address)
{
	uint32_t size = sizeof *ret_address;
	*ret_address = (union tcp_address){0};
	sys(__NR_getsockname, descriptor, ret_address, &size);
}

/* Any port of that address, or of 127.0.0.1 where this machine has another address. */
static long bind_anywhere(int descriptor, uint64_t domain, const uint8_t *wanted, uint32_t size)
{
	union tcp_address address = {0};
	memcpy(&address, wanted, size < sizeof address ? size : sizeof address);
	address.v4.sin_port = 0;
	long result = sys(__NR_bind, descriptor, &address, size);
	if (result == 0)
		return 0;
	union tcp_address loopback = {.v4 = {.sin_family = IPV4_FAMILY}};
	static const uint8_t here[4] = {127, 0, 0, 1};
	memcpy(&loopback.v4.sin_addr, here, sizeof here);
	size = translate(&loopback, domain, &address);
	return sys(__NR_bind, descriptor, &address, size);
}

static void tell_moved(uint32_t object, int descriptor)
{
	const char *name = snapimg_string(&loader.image, snapimg_get_object(&loader.image)[object].name);
	union tcp_address now;
	if (*name == '\0') /* nobody's any more */
		return;
	name_of(descriptor, &now);
	warn(name, ": taken, or not of this machine: an end of a TCP connection inside the program has port ",
	     dec((uint64_t)__builtin_bswap16(now.v4.sin_port)), " instead");
}

/* What must be there before it has an address, or is connected; the rest, and these again, comes later. */
static void set_early(int descriptor, uint32_t object)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++)
		if (setting[i].object == object && setting[i].kind == SNAPIMG_SETTING_OPTION &&
		    setting[i].level != TCP_LEVEL)
			sys(__NR_setsockopt, descriptor, setting[i].level, setting[i].option,
			    bytes + setting[i].offset, setting[i].size);
}

static long open_end(struct end *end, bool anywhere)
{
	long made = sys(__NR_socket, end->domain, STREAM | O_CLOEXEC, 0);
	if (made < 0)
		return made;
	set_early((int)made, end->object);
	reuse_address((int)made, 1);
	long result = anywhere ? -EADDRINUSE : sys(__NR_bind, made, end->address, end->bind->size);
	if (result < 0) {
		end->is_moved = true;
		result = bind_anywhere((int)made, end->domain, end->address, end->bind->size);
	}
	if (result == 0)
		return made;
	sys(__NR_close, made);
	return result;
}

static long connect_to(int listener, struct end *end, int descriptor)
{
	union tcp_address name, there;
	name_of(listener, &name);
	uint32_t size = translate(&name, end->domain, &there);
	return sys(__NR_connect, descriptor, &there, size);
}

/* What was there before may be in TIME-WAIT for a minute: then the end has another port. */
static long open_connected(int listener, struct end *end)
{
	long made = open_end(end, false);
	long result = made < 0 ? made : connect_to(listener, end, (int)made);
	if (made >= 0 && result < 0) {
		sys(__NR_close, made);
		made = open_end(end, true);
		result = made < 0 ? made : connect_to(listener, end, (int)made);
		if (made >= 0 && result < 0)
			sys(__NR_close, made);
	}
	return result < 0 ? result : made;
}

/* Whoever else has come there is turned away, as by a listener that goes. */
static long accept_from(int listener, int connected)
{
	union tcp_address own, peer;
	name_of(connected, &own);
	for (;;) {
		uint32_t size = sizeof peer;
		peer = (union tcp_address){0};
		long accepted = sys(__NR_accept4, listener, &peer, &size, O_CLOEXEC);
		if (accepted < 0 || is_same(&own, &peer))
			return accepted;
		sys(__NR_close, accepted);
	}
}

static long connect_ends(struct end *accepting, struct end *connecting, int32_t *ret_accepted,
                         int32_t *ret_connected)
{
	enum { BACKLOG = 8 };
	long listener = open_end(accepting, false);
	if (listener < 0)
		return listener;
	long result = sys(__NR_listen, listener, BACKLOG);
	if (result == -EADDRINUSE && !accepting->is_moved) { /* another one listens there */
		sys(__NR_close, listener);
		listener = open_end(accepting, true);
		result = listener < 0 ? listener : sys(__NR_listen, listener, BACKLOG);
	}
	long connected = result < 0 ? result : open_connected((int)listener, connecting);
	long accepted = connected < 0 ? connected : accept_from((int)listener, (int)connected);
	if (listener >= 0)
		sys(__NR_close, listener);
	if (accepted < 0) {
		if (connected >= 0)
			sys(__NR_close, connected);
		return accepted;
	}
	*ret_accepted = (int32_t)accepted;
	*ret_connected = (int32_t)connected;
	return 0;
}

static struct end end_of(uint32_t object)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	struct end end = {
	        .object = object,
	        .domain = snapimg_get_object(&loader.image)[object].value[SNAPIMG_SOCKET_DOMAIN],
	};
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++)
		if (setting[i].object == object && setting[i].kind == SNAPIMG_SETTING_BIND) {
			end.bind = &setting[i];
			end.address = bytes + setting[i].offset;
		}
	return end;
}

long tcp_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = snapimg_get_object(&loader.image);
	uint32_t other = index + 1, count = snapimg_object_count(&loader.image);
	while (other < count && (object[other].peer != index + 1 || object[other].kind != object[index].kind))
		other++;
	if (other == count)
		return -EINVAL;
	struct end one = end_of(index), two = end_of(other);
	int32_t of_one = -1, of_two = -1;
	if (one.bind == NULL || two.bind == NULL)
		return -EINVAL;
	long result = two.bind->option == 1 ? connect_ends(&two, &one, &of_two, &of_one)
	                                    : connect_ends(&one, &two, &of_one, &of_two);
	if (result < 0)
		return result;
	if (one.is_moved)
		tell_moved(index, of_one);
	if (two.is_moved)
		tell_moved(other, of_two);
	*ret_other = of_two;
	return of_one;
}

/* Some can't be set any more when it is connected: they were before. */
long tcp_option(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	uint8_t now[64] = {0};
	uint32_t size = sizeof now;
	long result = sys(__NR_setsockopt, descriptor, setting->level, setting->option, data, setting->size);
	if (result < 0 &&
	    sys(__NR_getsockopt, descriptor, setting->level, setting->option, now, &size) == 0 &&
	    size == setting->size && memcmp(now, data, size) == 0)
		return 0;
	return result;
}

/* The connections that were made before have a listener's port already. */
static int32_t recorded_flag(uint32_t object, int option)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	int32_t value = 0;
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++)
		if (setting[i].object == object && setting[i].kind == SNAPIMG_SETTING_OPTION &&
		    setting[i].level == SOCKET_LEVEL && setting[i].option == option &&
		    setting[i].size == sizeof value)
			memcpy(&value, bytes + setting[i].offset, sizeof value);
	return value;
}

static uint16_t port_of(const struct snapimg_setting *bind)
{
	union tcp_address address = {0};
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	memcpy(&address, bytes + bind->offset, bind->size < sizeof address ? bind->size : sizeof address);
	return address.v4.sin_port;
}

/* Another socket of the program has the same port: both had SO_REUSEPORT when they got it, whatever became of
 * that since. */
static bool shares_port(const struct snapimg_setting *bind)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const struct snapimg_object *object = snapimg_get_object(&loader.image);
	const uint64_t *value = object[bind->object].value;
	if (bind->kind != SNAPIMG_SETTING_BIND || !is_internet(value))
		return false;
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++) {
		const uint64_t *its = object[setting[i].object].value;
		if (setting[i].kind == SNAPIMG_SETTING_BIND && setting[i].object != bind->object &&
		    object[setting[i].object].kind == SNAPIMG_OBJECT_SOCKET && is_internet(its) &&
		    its[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_SINGLE &&
		    its[SNAPIMG_SOCKET_TYPE] == value[SNAPIMG_SOCKET_TYPE] &&
		    port_of(&setting[i]) == port_of(bind))
			return true;
	}
	return false;
}

long tcp_bind(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	const uint64_t *value = snapimg_get_object(&loader.image)[setting->object].value;
	bool waits = value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_WAITS;
	if (is_stream(setting->object) && has_connections())
		reuse_address(descriptor, 1);
	if (shares_port(setting))
		set_flag(descriptor, REUSE_PORT, 1);
	long result = sys(__NR_bind, descriptor, data, setting->size);
	if (!waits || !is_stream(setting->object) || (result != -EADDRINUSE && result != -EADDRNOTAVAIL))
		return result;
	result = bind_anywhere(descriptor, value[SNAPIMG_SOCKET_DOMAIN], data, setting->size);
	if (result == 0)
		tell_moved(setting->object, descriptor);
	return result;
}

void tcp_complete(uint32_t index, int descriptor)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	bool shares = false;
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++)
		shares = shares || (setting[i].object == index && shares_port(&setting[i]));
	if (shares)
		set_flag(descriptor, REUSE_PORT, recorded_flag(index, REUSE_PORT));
	if (is_stream(index) && has_connections())
		reuse_address(descriptor, recorded_flag(index, REUSE_ADDRESS));
}

/* A receiver's buffer grows when it wants so much at once (net/ipv4/tcp.c, tcp_set_rcvlowat). */
static void make_room(int to, uint64_t size)
{
	int32_t before = 1, wanted = size < INT32_MAX ? (int32_t)size : INT32_MAX;
	uint32_t length = sizeof before;
	sys(__NR_getsockopt, to, SOCKET_LEVEL, LOW_WATER, &before, &length);
	sys(__NR_setsockopt, to, SOCKET_LEVEL, LOW_WATER, &wanted, sizeof wanted);
	sys(__NR_setsockopt, to, SOCKET_LEVEL, LOW_WATER, &before, sizeof before);
}

static long send_all(int from, const uint8_t *bytes, uint64_t size)
{
	while (size > 0) {
		long sent = sys(__NR_sendto, from, bytes, size, NO_SIGNAL | DONT_WAIT, 0, 0);
		if (sent == -EAGAIN)
			sent = object_wait(from, WRITABLE);
		else if (sent > 0) {
			bytes += sent;
			size -= (uint64_t)sent;
		}
		if (sent < 0)
			return sent;
	}
	return 0;
}

/* It had arrived before, and so it has when the program looks; a busy machine takes a moment. */
static void wait_until_there(int to, uint64_t size)
{
	enum { UNREAD = 0x541b /* SIOCINQ */, ATTEMPTS = 2000 };
	static const struct {
		int64_t seconds, nanoseconds;
	} pause = {0, 100000};
	int32_t there = 0;
	for (uint32_t i = 0;
	     i < ATTEMPTS && sys(__NR_ioctl, to, UNREAD, &there) == 0 && (uint64_t)there < size; i++)
		sys(__NR_nanosleep, &pause, 0);
}

/* Nothing is held back, whatever Nagle or a cork says: it was on its way. */
long tcp_fill(int from, int to, const uint8_t *bytes, uint64_t size)
{
	int32_t before = 0;
	const int32_t on = 1;
	uint32_t length = sizeof before;
	if (to >= 0)
		make_room(to, size);
	sys(__NR_getsockopt, from, TCP_LEVEL, NO_DELAY, &before, &length);
	long result = send_all(from, bytes, size);
	sys(__NR_setsockopt, from, TCP_LEVEL, NO_DELAY, &on, sizeof on);
	sys(__NR_setsockopt, from, TCP_LEVEL, NO_DELAY, &before, sizeof before);
	if (result == 0 && to >= 0)
		wait_until_there(to, size);
	return result;
}
