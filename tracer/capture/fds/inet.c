/* TCP and UDP sockets that listen or wait for datagrams. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tracer/capture/fds/kinds.h"

enum { PROTOCOL_MPTCP = 262 }; /* IPPROTO_MPTCP, Linux 5.6 */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int port_of(const union address *address)
{
	return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

enum status name_inet_object(struct taking *taking, const struct sockaddr *address,
                             struct snapimg_object *object)
{
	const union address *its = (const union address *)(const void *)address;
	char text[INET6_ADDRSTRLEN] = "?", name[INET6_ADDRSTRLEN + 16];
	bool is_v6 = its->any.sa_family == AF_INET6;

	inet_ntop(its->any.sa_family,
	          is_v6 ? (const void *)&its->v6.sin6_addr : (const void *)&its->v4.sin_addr, text,
	          sizeof(text));
	snprintf(name, sizeof(name), is_v6 ? "[%s]:%d" : "%s:%d", text, port_of(its));
	return objects_name(taking->objects, name, &object->name);
}

static enum status take_name(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	union address address = {.any = {.sa_family = AF_UNSPEC}};
	socklen_t size = sizeof(address);
	enum status status;

	if (getsockname(it->copy, &address.any, &size) < 0 || port_of(&address) == 0)
		return STATUS_OK;
	if ((status = name_inet_object(taking, &address.any, object)) != STATUS_OK)
		return status;
	return objects_set(taking->objects,
	                   (struct snapimg_setting){.kind = SNAPIMG_SETTING_BIND, .size = size}, &address);
}

/* One that was connected once and has ended looks closed as a new one does, but its reader finds the end of
 * the stream or what is left of it, and a new one's ENOTCONN (net/ipv4/tcp.c, tcp_recvmsg_locked). */
bool is_connected(int domain, int type, int copy)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	char byte;

	if ((domain != AF_INET && domain != AF_INET6) || type != SOCK_STREAM ||
	    getsockopt(copy, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 || info.tcpi_state == TCP_LISTEN)
		return false;
	if (info.tcpi_state != TCP_CLOSE)
		return true;
	struct pollfd look = {.fd = copy};
	if (poll(&look, 1, 0) > 0 && (look.revents & POLLERR)) /* it is left where it is */
		return true;
	return recv(copy, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != ENOTCONN;
}

static enum status take_tcp(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	enum status status;

	if (getsockopt(it->copy, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
	    is_connected((int)object->value[SNAPIMG_SOCKET_DOMAIN], SOCK_STREAM, it->copy))
		return refuse_descriptor(taking->survey, it, "a connected TCP socket",
		                         "close it before the point, or give --tcp=reset");
	/* Of a listening one: the connections that wait, and how many may (net/ipv4/tcp.c, tcp_get_info). */
	if (info.tcpi_state == TCP_LISTEN && info.tcpi_unacked != 0 && !taking->overrides->tcp_reset)
		return refuse_descriptor(taking->survey, it, "a connection that waits to be accepted",
		                         "choose a point where none does, or give --tcp=reset");
	if (info.tcpi_state == TCP_LISTEN && (status = check_waiting(taking, it)) != STATUS_OK)
		return status;
	if ((status = take_name(taking, it, object)) != STATUS_OK || info.tcpi_state != TCP_LISTEN)
		return status;
	return objects_set(
	        taking->objects,
	        (struct snapimg_setting){.kind = SNAPIMG_SETTING_LISTEN, .option = (int32_t)info.tcpi_sacked},
	        NULL);
}

/* Nothing shows that shutdown(2) ended the sending. But the kernel looks at that before it copies what is to
 * be sent (net/core/sock.c, sock_alloc_send_pskb), and nothing can be copied from there, so nothing is sent.
 * A socket without an address isn't asked: it would get one. */
static bool is_shut_for_sending(int copy, int domain)
{
	union address to = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)}}, own = {{0}};
	socklen_t size = sizeof(own), to_size = sizeof(to.v6);
	const void *nowhere = (const void *)1;

	if (getsockname(copy, &own.any, &size) < 0 || port_of(&own) == 0)
		return false;
	to.v6.sin6_addr = in6addr_loopback;
	if (domain == AF_INET) {
		to.v4 = (struct sockaddr_in){
		        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
		to_size = sizeof(to.v4);
	}
	size = sizeof(own);
	bool is_connected_one = getpeername(copy, &own.any, &size) == 0;
	return sendto(copy, nowhere, 1, MSG_DONTWAIT | MSG_NOSIGNAL, is_connected_one ? NULL : &to.any,
	              is_connected_one ? 0 : to_size) < 0 &&
	       errno == EPIPE;
}

static enum status take_udp(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	struct pollfd look = {.fd = it->copy, .events = POLLIN};
	union address peer;
	socklen_t size = sizeof(peer);
	int unsent = 0;
	enum status status;

	if (ioctl(it->copy, SIOCOUTQ, &unsent) == 0 && unsent > 0)
		return refuse_descriptor(taking->survey, it,
		                         "a UDP socket with a datagram that is being made",
		                         "choose a point after it is sent (UDP_CORK, MSG_MORE)");
	if (poll(&look, 1, 0) < 0 || look.revents != 0)
		return refuse_descriptor(taking->survey, it, "a UDP socket with datagrams that wait",
		                         "choose a point where none does");
	if (is_shut_for_sending(it->copy, (int)object->value[SNAPIMG_SOCKET_DOMAIN]))
		object->value[SNAPIMG_SOCKET_SHUTDOWN] = 2;
	if ((status = take_memberships(taking, it, (int)object->value[SNAPIMG_SOCKET_DOMAIN])) != STATUS_OK ||
	    (status = take_name(taking, it, object)) != STATUS_OK ||
	    getpeername(it->copy, &peer.any, &size) < 0)
		return status;
	return objects_set(taking->objects,
	                   (struct snapimg_setting){.kind = SNAPIMG_SETTING_CONNECT, .size = size}, &peer);
}

enum status take_internet_socket(struct taking *taking, struct open_descriptor *it,
                                 struct snapimg_object *object)
{
	int domain = (int)object->value[SNAPIMG_SOCKET_DOMAIN],
	    type = (int)object->value[SNAPIMG_SOCKET_TYPE];
	int protocol = (int)object->value[SNAPIMG_SOCKET_PROTOCOL];
	bool is_tcp = type == SOCK_STREAM && (protocol == IPPROTO_TCP || protocol == PROTOCOL_MPTCP);
	bool is_udp = type == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE);
	enum status status;

	if (!is_tcp && !is_udp)
		return refuse_descriptor(taking->survey, it, "a raw or other Internet socket",
		                         "close it before the point");
	if ((status = take_socket_options(taking, it, domain, type, protocol)) != STATUS_OK)
		return status;
	return is_tcp ? take_tcp(taking, it, object) : take_udp(taking, it, object);
}
