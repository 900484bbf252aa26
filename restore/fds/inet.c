/* What only sockets of the Internet have. A TCP socket whose peer has reset the connection: one is made with
 * ourselves over the loopback, and reset. */
#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"

union reset_address {
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};
enum {
	IPV6_FAMILY = 10,
	STREAM = 1,
	SOCKET_LEVEL = 1,
	LINGER = 13,
	GET_INTERFACE_NUMBER = 0x8933 /* SIOCGIFINDEX */
};

/* IPv6 sockets speak IPv4 too, and there may be no ::1. */
static uint32_t loopback(uint64_t domain, union reset_address *ret_address)
{
	*ret_address = (union reset_address){0};
	if (domain == IPV6_FAMILY) {
		static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
		ret_address->v6.sin6_family = IPV6_FAMILY;
		memcpy(&ret_address->v6.sin6_addr, mapped, sizeof mapped);
		return sizeof ret_address->v6;
	}
	static const uint8_t bytes[4] = {127, 0, 0, 1};
	ret_address->v4.sin_family = (uint16_t)domain;
	memcpy(&ret_address->v4.sin_addr, bytes, sizeof bytes);
	return sizeof ret_address->v4;
}

/* Connects `made` and resets that; the descriptors in between are closed with the listener. */
static long connect_and_reset(uint64_t domain, int made, int listener)
{
	union reset_address address;
	uint32_t size = loopback(domain, &address);
	const int32_t at_once[2] = {1, 0}; /* struct linger: close(2) sends a reset */
	long result = sys(__NR_bind, listener, &address, size);
	if (result == 0)
		result = sys(__NR_listen, listener, 1);
	if (result == 0)
		result = sys(__NR_getsockname, listener, &address, &size);
	if (result == 0)
		result = sys(__NR_connect, made, &address, size);
	if (result < 0)
		return result;
	long accepted = sys(__NR_accept4, listener, 0, 0, O_CLOEXEC);
	if (accepted < 0)
		return accepted;
	result = sys(__NR_setsockopt, accepted, SOCKET_LEVEL, LINGER, at_once, sizeof at_once);
	sys(__NR_close, accepted);
	return result;
}

long inet_make_reset(const struct snapimg_object *object)
{
	uint64_t domain = object->value[SNAPIMG_SOCKET_DOMAIN];
	if (loader.options.refuse_reset)
		die(EXIT_REFUSED,
		    "the image has a connection that is reset now: freeze the program without it, or "
		    "leave out --tcp=refuse");
	long made = sys(__NR_socket, domain, STREAM | O_CLOEXEC, 0);
	long listener = made < 0 ? made : sys(__NR_socket, domain, STREAM | O_CLOEXEC, 0);
	if (listener < 0)
		return listener;
	long result = connect_and_reset(domain, (int)made, (int)listener);
	sys(__NR_close, listener);
	return result < 0 ? result : made;
}

/* The interface may have another number here. */
long inet_interface(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
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
