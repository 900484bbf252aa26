/* TCP connections both ends of which the program has, over the loopback or any address of the machine, with
 * what is on its way in them. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "tracer/capture/fds/kinds.h"

#define RECEIVE "receive it before the point"

enum { NETWORK_COOKIE = 71 /* SO_NETNS_COOKIE, Linux 5.14 */, WAITS_MAX = 65536 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The address of an end, an IPv4 one as IPv6 maps it. */
struct place {
	uint8_t address[16];
	in_port_t port;
};
struct ends {
	struct place own, peer;
	uint64_t network;
};

static struct place place_of(const union address *address)
{
	struct place place = {.port = address->v4.sin_port}; /* at the same place in both */

	if (address->any.sa_family == AF_INET6) {
		memcpy(place.address, &address->v6.sin6_addr, sizeof(place.address));
		return place;
	}
	memset(place.address + 10, 0xff, 2);
	memcpy(place.address + 12, &address->v4.sin_addr, 4);
	return place;
}

static bool is_one_place(const struct place *left, const struct place *right)
{
	return left->port == right->port && memcmp(left->address, right->address, sizeof(left->address)) == 0;
}

static bool is_tcp(int copy)
{
	int domain = 0, protocol = 0;
	socklen_t size = sizeof(int);

	return getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       (domain == AF_INET || domain == AF_INET6) &&
	       getsockopt(copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_TCP;
}

static bool read_ends(int copy, struct ends *ret_ends)
{
	union address own = {{0}}, peer = {{0}};
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer), size = sizeof(uint64_t);
	uint64_t network = 0;

	if (getsockname(copy, &own.any, &own_size) < 0 || getpeername(copy, &peer.any, &peer_size) < 0)
		return false;
	(void)getsockopt(copy, SOL_SOCKET, NETWORK_COOKIE, &network, &size);
	*ret_ends = (struct ends){place_of(&own), place_of(&peer), network};
	return true;
}

static bool is_candidate(const struct survey *survey, struct open_descriptor *it)
{
	return is_representative(survey, it) && it->inherited < 0 && !it->override && it->known &&
	       S_ISSOCK(it->identity.st_mode) && survey_try_copy(survey, it) && is_tcp(it->copy);
}

struct open_descriptor *tcp_peer(const struct survey *survey, const struct open_descriptor *it)
{
	struct ends ends, other;

	if (!is_tcp(it->copy) || !read_ends(it->copy, &ends))
		return NULL;
	for (size_t i = 0; i < survey->count; i++) {
		struct open_descriptor *peer = &survey->open[i];
		if (peer != it && is_candidate(survey, peer) && read_ends(peer->copy, &other) &&
		    is_one_place(&ends.own, &other.peer) && is_one_place(&ends.peer, &other.own) &&
		    ends.network == other.network)
			return peer;
	}
	return NULL;
}

/* Who has accepted the connection: the end at whose port the program listens, if it does. */
static bool has_listener(const struct survey *survey, in_port_t port)
{
	for (size_t i = 0; i < survey->count; i++) {
		union address own = {{0}};
		socklen_t size = sizeof(own), int_size = sizeof(int);
		int listens = 0;
		if (is_candidate(survey, &survey->open[i]) &&
		    getsockopt(survey->open[i].copy, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_size) == 0 &&
		    listens && getsockname(survey->open[i].copy, &own.any, &size) == 0 &&
		    own.v4.sin_port == port)
			return true;
	}
	return false;
}

static uint8_t state_of(int copy)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	return getsockopt(copy, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ? 0 : info.tcpi_state;
}

static bool is_open(uint8_t state)
{
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT || state == TCP_FIN_WAIT1 ||
	       state == TCP_FIN_WAIT2;
}

/* Lets the receiver have more at once, and tells the sender so (net/ipv4/tcp.c: tcp_set_rcvlowat,
 * tcp_cleanup_rbuf). */
static void make_room(int receiver)
{
	int before = 1, all = INT32_MAX;
	socklen_t size = sizeof(before);
	char byte;

	(void)getsockopt(receiver, SOL_SOCKET, SO_RCVLOWAT, &before, &size);
	(void)setsockopt(receiver, SOL_SOCKET, SO_RCVLOWAT, &all, sizeof(all));
	(void)recv(receiver, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	(void)setsockopt(receiver, SOL_SOCKET, SO_RCVLOWAT, &before, sizeof(before));
}

/* Whether all that was sent, the end of the stream too, has come to the receiver, who tells within 0.2 s
 * (delayed ACK); asked so often because nothing can be waited for. */
static bool drain(int sender, int receiver)
{
	enum { ATTEMPTS = 1000 };
	const struct timespec pause = {.tv_nsec = 2000000};
	int unsent = 0;

	for (int i = 0; i < ATTEMPTS; i++) {
		if (ioctl(sender, SIOCOUTQ, &unsent) < 0)
			return false;
		if (unsent == 0)
			return true;
		make_room(receiver);
		nanosleep(&pause, NULL);
	}
	return false;
}

/* What the receiver has not read yet, as a content of the object that is added next. */
static enum status take_bytes(struct taking *taking, const struct open_descriptor *it, int receiver, int most)
{
	int waiting = 0, place = -1, none = -1;
	socklen_t size = sizeof(place);
	enum status status = STATUS_OK;

	if (ioctl(receiver, SIOCINQ, &waiting) < 0 || waiting < 0 || waiting > most)
		return refuse_descriptor(taking->survey, it, "much data in a TCP connection that waits",
		                         "choose a point where it is accepted");
	if (waiting == 0)
		return STATUS_OK;
	char *bytes = malloc((size_t)waiting);
	if (!bytes)
		return fail(STATUS_FAILED, "out of memory");
	(void)getsockopt(receiver, SOL_SOCKET, SO_PEEK_OFF, &place, &size);
	if (place >= 0)
		(void)setsockopt(receiver, SOL_SOCKET, SO_PEEK_OFF, &none, sizeof(none));
	ssize_t seen = recv(receiver, bytes, (size_t)waiting, MSG_PEEK | MSG_DONTWAIT);
	if (place >= 0)
		(void)setsockopt(receiver, SOL_SOCKET, SO_PEEK_OFF, &place, sizeof(place));
	if (seen == waiting)
		status = objects_fill(taking->objects, 0, bytes, (uint64_t)waiting);
	else
		status = refuse_descriptor(taking->survey, it, "data in a TCP connection", RECEIVE);
	free(bytes);
	return status;
}

static enum status take_address(struct taking *taking, enum snapimg_setting_kind kind, bool accepted,
                                const union address *address, socklen_t size)
{
	const struct snapimg_setting setting = {.kind = kind, .option = accepted, .size = size};

	return objects_set(taking->objects, setting, address);
}

/* It ended the sending by itself; or the receiving, where the other side has not ended its own. */
static uint64_t shutdown_of(int copy, uint8_t state)
{
	struct pollfd look = {.fd = copy, .events = POLLRDHUP};
	bool ended = poll(&look, 1, 0) > 0 && (look.revents & POLLRDHUP);

	return (state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 ? 2u : 0u) |
	       (ended && state != TCP_CLOSE_WAIT ? 1u : 0u);
}

/* The program will be ended: no TIME-WAIT keeps its addresses from the next start. */
static void reset_at_end(const struct survey *survey, int copy)
{
	const struct linger at_once = {.l_onoff = 1};

	if (survey->may_take)
		(void)setsockopt(copy, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

enum status take_tcp_connection(struct taking *taking, struct open_descriptor *it,
                                struct snapimg_object *object, struct open_descriptor *peer)
{
	const struct survey *survey = taking->survey;
	int domain = (int)object->value[SNAPIMG_SOCKET_DOMAIN];
	union address own = {{0}}, other = {{0}};
	socklen_t own_size = sizeof(own), other_size = sizeof(other);
	enum status status;

	if (!is_open(state_of(it->copy)) || (peer && !is_open(state_of(peer->copy))))
		return refuse_descriptor(survey, it, "a TCP connection that is being made or ended",
		                         "choose another point");
	if (peer && (!drain(peer->copy, it->copy) || !drain(it->copy, peer->copy)))
		return refuse_descriptor(survey, it,
		                         "a TCP connection that has more to send than its other end has "
		                         "room for, or is corked",
		                         "choose another point");
	if (getsockname(it->copy, &own.any, &own_size) < 0 ||
	    getpeername(it->copy, &other.any, &other_size) < 0)
		return refuse_descriptor(survey, it, "a connected TCP socket", "close it before the point");
	bool listens = has_listener(survey, own.v4.sin_port), waits = peer && peer->waits;
	bool accepted = listens != has_listener(survey, other.v4.sin_port) || !peer ? listens : it < peer;
	object->value[SNAPIMG_SOCKET_STATE] = waits ? SNAPIMG_SOCKET_WAITS : SNAPIMG_SOCKET_TCP;
	object->value[SNAPIMG_SOCKET_SHUTDOWN] = shutdown_of(it->copy, state_of(it->copy));
	if (!waits && peer && peer->object >= 0)
		object->peer = (uint32_t)peer->object + 1;
	if (!peer && (status = take_left_end(taking, &other.any, other_size, !accepted, domain,
	                                     &object->peer)) != STATUS_OK)
		return status;
	if ((status = take_connected_options(taking, it, domain)) != STATUS_OK ||
	    (status = name_inet_object(taking, &own.any, object)) != STATUS_OK ||
	    (status = take_address(taking, SNAPIMG_SETTING_BIND, accepted && !waits, &own, own_size)) !=
	            STATUS_OK)
		return status;
	if (waits)
		status = take_address(taking, SNAPIMG_SETTING_CONNECT, false, &other, other_size);
	if (status == STATUS_OK)
		status = take_bytes(taking, it, waits ? peer->copy : it->copy, waits ? WAITS_MAX : INT32_MAX);
	reset_at_end(survey, it->copy);
	return status;
}
