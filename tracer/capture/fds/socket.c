/* Sockets: their options, then what is particular to a family: name, queue. */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tracer/capture/fds/kinds.h"

/* Looking for an error with SO_ERROR would take it. An error queue shows as one, too (ip(7), IP_RECVERR). */
static enum status refuse_waiting(const struct survey *survey, const struct open_descriptor *it)
{
	struct pollfd look = {.fd = it->copy, .events = POLLPRI};

	if (poll(&look, 1, 0) > 0 && (look.revents & POLLERR))
		return refuse_descriptor(survey, it, "a socket with an error that waits to be told",
		                         "read SO_ERROR or the error queue before the point");
	if (look.revents & POLLPRI)
		return refuse_descriptor(survey, it, "a socket with urgent data (MSG_OOB)",
		                         "receive it before the point");
	return STATUS_OK;
}

/* Where urgent data lay that was received (MSG_OOB) reading stops once more, and looking, too, which only
 * SIOCATMARK tells, and how much there is to read: up to that place, unless urgent data is received with the
 * rest (net/ipv4/tcp.c, tcp_inq). */
static bool has_mark_ahead(int copy)
{
	int in_line = 0, other, to_mark = 0, all = 0;
	socklen_t size = sizeof(in_line);

	if (ioctl(copy, SIOCINQ, &to_mark) < 0 ||
	    getsockopt(copy, SOL_SOCKET, SO_OOBINLINE, &in_line, &size) < 0)
		return false;
	other = !in_line;
	(void)setsockopt(copy, SOL_SOCKET, SO_OOBINLINE, &other, sizeof(other));
	bool differs = ioctl(copy, SIOCINQ, &all) == 0 && all != to_mark;
	(void)setsockopt(copy, SOL_SOCKET, SO_OOBINLINE, &in_line, sizeof(in_line));
	return differs;
}

static enum status refuse_mark(const struct survey *survey, const struct open_descriptor *it, bool is_tcp)
{
	int is_there = 0;

	if (!(ioctl(it->copy, SIOCATMARK, &is_there) == 0 && is_there) &&
	    !(is_tcp && has_mark_ahead(it->copy)))
		return STATUS_OK;
	return refuse_descriptor(survey, it, "a socket with the mark of urgent data (MSG_OOB, SIOCATMARK)",
	                         "receive what follows it before the point");
}

/* What was on its way is lost, and so are the options, which say nothing any more. */
static enum status take_reset(struct snapimg_object *object, int domain)
{
	object->value[SNAPIMG_SOCKET_DOMAIN] = (uint64_t)domain;
	object->value[SNAPIMG_SOCKET_TYPE] = SOCK_STREAM;
	object->value[SNAPIMG_SOCKET_PROTOCOL] = IPPROTO_TCP;
	object->value[SNAPIMG_SOCKET_STATE] = SNAPIMG_SOCKET_RESET;
	return STATUS_OK;
}

enum status take_socket(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	int domain = 0, type = 0, protocol = 0;
	socklen_t size = sizeof(int);
	enum status status;

	if (getsockopt(it->copy, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	    getsockopt(it->copy, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    getsockopt(it->copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
		return refuse_descriptor(taking->survey, it, "a socket", "close it before the point");
	bool connected = is_connected(domain, type, it->copy);
	struct open_descriptor *peer = connected ? tcp_peer(taking->survey, it) : NULL;
	if (connected && !peer && taking->overrides->tcp_reset)
		return take_reset(object, domain);
	bool is_left = connected && !peer && protocol == IPPROTO_TCP && tcp_is_left(taking, it);
	if ((!connected || peer || is_left) && (status = refuse_waiting(taking->survey, it)) != STATUS_OK)
		return status;
	object->value[SNAPIMG_SOCKET_DOMAIN] = (uint64_t)domain;
	object->value[SNAPIMG_SOCKET_TYPE] = (uint64_t)type;
	object->value[SNAPIMG_SOCKET_PROTOCOL] = (uint64_t)protocol;
	if (type == SOCK_STREAM && (status = refuse_mark(taking->survey, it, peer || is_left)) != STATUS_OK)
		return status;
	if (peer || is_left)
		return take_tcp_connection(taking, it, object, peer);
	if (domain == AF_UNIX)
		return take_unix_socket(taking, it, object);
	if (domain == AF_INET || domain == AF_INET6)
		return take_internet_socket(taking, it, object);
	if (domain == AF_NETLINK)
		return take_netlink_socket(taking, it, object);
	return refuse_descriptor(taking->survey, it,
	                         "a socket that is neither Internet's, Unix's nor netlink",
	                         "close it before the point");
}
