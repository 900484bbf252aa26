/* Sockets: what a socket of the same kind, just made, shows otherwise is set again; then its name, its queue.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor_kinds.h"

/* X(level, option): those with a value that setsockopt(2) takes as getsockopt(2) gives it. */
#define SOCKET_OPTIONS(X)                                                                                    \
	X(SOL_SOCKET, SO_REUSEADDR)                                                                          \
	X(SOL_SOCKET, SO_REUSEPORT)                                                                          \
	X(SOL_SOCKET, SO_KEEPALIVE)                                                                          \
	X(SOL_SOCKET, SO_BROADCAST)                                                                          \
	X(SOL_SOCKET, SO_OOBINLINE)                                                                          \
	X(SOL_SOCKET, SO_DONTROUTE)                                                                          \
	X(SOL_SOCKET, SO_LINGER)                                                                             \
	X(SOL_SOCKET, SO_RCVLOWAT)                                                                           \
	X(SOL_SOCKET, SO_RCVTIMEO)                                                                           \
	X(SOL_SOCKET, SO_SNDTIMEO)                                                                           \
	X(SOL_SOCKET, SO_PRIORITY)                                                                           \
	X(SOL_SOCKET, SO_MARK)                                                                               \
	X(SOL_SOCKET, SO_PASSCRED)                                                                           \
	X(SOL_SOCKET, SO_TIMESTAMP)                                                                          \
	X(SOL_SOCKET, SO_TIMESTAMPNS)                                                                        \
	X(SOL_SOCKET, SO_TIMESTAMPING)                                                                       \
	X(SOL_SOCKET, SO_BINDTODEVICE)                                                                       \
	X(SOL_SOCKET, SO_BUSY_POLL)                                                                          \
	X(SOL_SOCKET, SO_ZEROCOPY)                                                                           \
	X(SOL_SOCKET, SO_SNDBUF)                                                                             \
	X(SOL_SOCKET, SO_RCVBUF)                                                                             \
	X(IPPROTO_IPV6, IPV6_V6ONLY)                                                                         \
	X(IPPROTO_IPV6, IPV6_UNICAST_HOPS)                                                                   \
	X(IPPROTO_IPV6, IPV6_MULTICAST_HOPS)                                                                 \
	X(IPPROTO_IPV6, IPV6_MULTICAST_LOOP)                                                                 \
	X(IPPROTO_IPV6, IPV6_MULTICAST_IF)                                                                   \
	X(IPPROTO_IPV6, IPV6_TCLASS)                                                                         \
	X(IPPROTO_IPV6, IPV6_RECVPKTINFO)                                                                    \
	X(IPPROTO_IPV6, IPV6_RECVERR)                                                                        \
	X(IPPROTO_IPV6, IPV6_MTU_DISCOVER)                                                                   \
	X(IPPROTO_IPV6, IPV6_FREEBIND)                                                                       \
	X(IPPROTO_IP, IP_TOS)                                                                                \
	X(IPPROTO_IP, IP_TTL)                                                                                \
	X(IPPROTO_IP, IP_PKTINFO)                                                                            \
	X(IPPROTO_IP, IP_RECVTOS)                                                                            \
	X(IPPROTO_IP, IP_RECVERR)                                                                            \
	X(IPPROTO_IP, IP_MTU_DISCOVER)                                                                       \
	X(IPPROTO_IP, IP_FREEBIND)                                                                           \
	X(IPPROTO_IP, IP_TRANSPARENT)                                                                        \
	X(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)                                                               \
	X(IPPROTO_IP, IP_MULTICAST_TTL)                                                                      \
	X(IPPROTO_IP, IP_MULTICAST_LOOP)                                                                     \
	X(IPPROTO_TCP, TCP_NODELAY)                                                                          \
	X(IPPROTO_TCP, TCP_KEEPIDLE)                                                                         \
	X(IPPROTO_TCP, TCP_KEEPINTVL)                                                                        \
	X(IPPROTO_TCP, TCP_KEEPCNT)                                                                          \
	X(IPPROTO_TCP, TCP_SYNCNT)                                                                           \
	X(IPPROTO_TCP, TCP_LINGER2)                                                                          \
	X(IPPROTO_TCP, TCP_DEFER_ACCEPT)                                                                     \
	X(IPPROTO_TCP, TCP_USER_TIMEOUT)                                                                     \
	X(IPPROTO_TCP, TCP_FASTOPEN)                                                                         \
	X(IPPROTO_TCP, TCP_CONGESTION)                                                                       \
	X(IPPROTO_UDP, UDP_GRO)

/* Of setsockopt(2), not of its reader: a linked socket filter can't be read by everyone. */
static bool has_filter(int copy)
{
	socklen_t count = 0;

	return getsockopt(copy, SOL_SOCKET, SO_GET_FILTER, NULL, &count) < 0 || count > 0;
}

static enum status take_option(struct taking *taking, int copy, int fresh, int level, int option)
{
	union {
		char bytes[64];
		int number;
	} its = {{0}}, usual = {{0}};
	socklen_t size = sizeof(its), usual_size = sizeof(usual);

	if (getsockopt(copy, level, option, &its, &size) < 0 || size == 0 ||
	    (getsockopt(fresh, level, option, &usual, &usual_size) == 0 && usual_size == size &&
	     memcmp(&its, &usual, size) == 0))
		return STATUS_OK;
	if (level == SOL_SOCKET && (option == SO_SNDBUF || option == SO_RCVBUF))
		its.number /= 2; /* the kernel doubles what it is given (socket(7)) */
	const struct snapimg_setting setting = {
	        .kind = SNAPIMG_SETTING_OPTION, .level = level, .option = option, .size = size};
	return objects_set(taking->objects, setting, &its);
}

enum status take_socket_options(struct taking *taking, const struct open_descriptor *it, int domain, int type,
                                int protocol)
{
	static const struct {
		int level, option;
	} options[] = {
#define X(level, option) {level, option},
	        SOCKET_OPTIONS(X)
#undef X
	};
	int fresh = socket(domain, type | SOCK_CLOEXEC, protocol);
	enum status status = STATUS_OK;

	if (fresh < 0 || has_filter(it->copy))
		status = refuse_descriptor(taking->survey, it, "a socket with a filter",
		                           "set the filter after the point");
	for (size_t i = 0; i < sizeof(options) / sizeof(*options) && status == STATUS_OK; i++)
		status = take_option(taking, it->copy, fresh, options[i].level, options[i].option);
	if (fresh >= 0)
		close(fresh);
	return status;
}

enum status take_socket(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	int domain = 0, type = 0, protocol = 0;
	socklen_t size = sizeof(int);

	if (getsockopt(it->copy, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	    getsockopt(it->copy, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    getsockopt(it->copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
		return refuse_descriptor(taking->survey, it, "a socket", "close it before the point");
	if (survey_other_holder(taking->survey, it) != 0)
		return refuse_descriptor(taking->survey, it, "a socket shared with another process",
		                         "close it before the point");
	object->kind = SNAPIMG_OBJECT_SOCKET;
	object->value[SNAPIMG_SOCKET_DOMAIN] = (uint64_t)domain;
	object->value[SNAPIMG_SOCKET_TYPE] = (uint64_t)type;
	object->value[SNAPIMG_SOCKET_PROTOCOL] = (uint64_t)protocol;
	if (domain == AF_UNIX)
		return take_unix_socket(taking, it, object);
	if (domain == AF_INET || domain == AF_INET6)
		return take_internet_socket(taking, it, object);
	return refuse_descriptor(taking->survey, it, "a socket that is neither Internet's nor Unix's",
	                         "close it before the point");
}
