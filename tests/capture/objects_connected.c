/* As objects.c: connections whose ends are both the program's, and what is on its way in them. */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "expect.h"
#include "modes.h"

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);
	EXPECT(getsockopt(fd, level, name, &value, &size) == 0);
	return value;
}

static void set(int fd, int level, int name, int value)
{
	EXPECT(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

struct ends {
	struct sockaddr_in own, peer;
};

static struct ends ends_of(int fd)
{
	struct ends ends = {0};
	socklen_t own = sizeof(ends.own), peer = sizeof(ends.peer);
	EXPECT(getsockname(fd, (struct sockaddr *)&ends.own, &own) == 0);
	EXPECT(getpeername(fd, (struct sockaddr *)&ends.peer, &peer) == 0);
	return ends;
}

/* Nobody else's: a port of it is free again for each start. */
static struct sockaddr_in own_address(void)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_addr.s_addr = htonl(0x7f400000u | ((uint32_t)getpid() & 0x3fffff))};
}

static int tcp_listener(struct sockaddr_in *name)
{
	int fd = need(socket(AF_INET, SOCK_STREAM, 0));
	socklen_t size = sizeof(*name);
	*name = own_address();
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	EXPECT(bind(fd, (struct sockaddr *)name, size) == 0 && listen(fd, 5) == 0 &&
	       getsockname(fd, (struct sockaddr *)name, &size) == 0);
	return fd;
}

static int tcp_client(const struct sockaddr_in *name)
{
	int fd = need(socket(AF_INET, SOCK_STREAM, 0));
	struct sockaddr_in own = own_address();
	EXPECT(bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0);
	EXPECT(connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0);
	return fd;
}

/* What is left of a connection would keep its addresses from the next start for a minute. */
static void leave_nothing(const int *fd, int count)
{
	const struct linger at_once = {.l_onoff = 1};
	for (int i = 0; i < count; i++) {
		EXPECT(setsockopt(fd[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
		close(fd[i]);
	}
}

/* Each is the other's peer still; where the addresses could be had, they are the same. */
static void expect_connected(int one, int two, const struct ends *before)
{
	struct ends first = ends_of(one), second = ends_of(two);
	EXPECT(memcmp(&first.own, &second.peer, sizeof(first.own)) == 0 &&
	       memcmp(&first.peer, &second.own, sizeof(first.peer)) == 0);
	EXPECT(!getenv("ALONE") || memcmp(&first, before, sizeof(first)) == 0);
}

enum { MUCH = 1 << 20 };

/* More than the receiver has room for at first, in a direction each. */
static size_t pour(int fd, char byte)
{
	static char bytes[MUCH];
	size_t sent = 0;
	memset(bytes, byte, sizeof(bytes));
	set(fd, SOL_SOCKET, SO_SNDBUF, 2 * MUCH);
	for (ssize_t part; sent < sizeof(bytes); sent += (size_t)part)
		if ((part = send(fd, bytes + sent, sizeof(bytes) - sent, MSG_DONTWAIT)) <= 0)
			break;
	return sent;
}

/* All of it, and no more. */
static bool drink(int fd, char byte, size_t wanted)
{
	static char bytes[MUCH];
	size_t all = 0;
	ssize_t part;
	while (all < wanted && (part = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		for (ssize_t i = 0; i < part; i++)
			EXPECT(bytes[i] == byte);
		all += (size_t)part;
	}
	return all == wanted && recv(fd, bytes, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void tcp_connections(void)
{
	struct sockaddr_in name;
	int listener = tcp_listener(&name), client = tcp_client(&name),
	    server = need(accept(listener, NULL, NULL));
	int half = tcp_client(&name), other = need(accept(listener, NULL, NULL));
	struct ends ends = ends_of(client), half_ends = ends_of(half);
	int silent = tcp_client(&name), narrow = need(accept(listener, NULL, NULL));
	set(silent, IPPROTO_TCP, TCP_QUICKACK, 0);
	set(narrow, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000);
	set(listener, IPPROTO_TCP, TCP_QUICKACK, 0);
	set(client, IPPROTO_TCP, TCP_NODELAY, 1);
	set(server, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(server, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	EXPECT(writes(client, "to the server") && writes(server, "to the client"));
	EXPECT(fcntl(server, F_SETFL, O_NONBLOCK) == 0);
	EXPECT(writes(half, "last words") && shutdown(half, SHUT_WR) == 0);
	marker();
	expect_connected(client, server, &ends);
	expect_connected(half, other, &half_ends);
	EXPECT(option(silent, IPPROTO_TCP, TCP_QUICKACK) == 0 &&
	       option(narrow, IPPROTO_TCP, TCP_QUICKACK) == 1 &&
	       option(narrow, IPPROTO_TCP, TCP_WINDOW_CLAMP) == 5000 &&
	       option(listener, IPPROTO_TCP, TCP_QUICKACK) == 0);
	EXPECT(option(client, IPPROTO_TCP, TCP_NODELAY) == 1 &&
	       option(server, IPPROTO_TCP, TCP_NODELAY) == 0);
	EXPECT(option(server, SOL_SOCKET, SO_KEEPALIVE) == 1 &&
	       option(server, IPPROTO_TCP, TCP_KEEPIDLE) == 77);
	EXPECT(option(client, SOL_SOCKET, SO_REUSEADDR) == 0 &&
	       option(server, SOL_SOCKET, SO_REUSEADDR) == 1);
	EXPECT(option(listener, SOL_SOCKET, SO_REUSEADDR) == 1);
	EXPECT(reads(server, "to the server") && reads(client, "to the client"));
	EXPECT(would_block(server) && (fcntl(client, F_GETFL) & O_NONBLOCK) == 0);
	EXPECT(reads(other, "last words") && reads(other, "") && writes(other, "answer") &&
	       reads(half, "answer"));
	EXPECT(send(half, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	EXPECT(writes(server, "again") && reads(client, "again"));
	int third = tcp_client(&name), fourth = need(accept(listener, NULL, NULL));
	EXPECT(writes(third, "new") && reads(fourth, "new"));
	leave_nothing((int[]){client, server, half, other, third, fourth, silent, narrow}, 8);
}

/* The listener is gone, what is on its way fills the buffers. */
static void tcp_streams(void)
{
	struct sockaddr_in name;
	int listener = tcp_listener(&name), client = tcp_client(&name),
	    server = need(accept(listener, NULL, NULL));
	struct ends ends = ends_of(client);
	close(listener);
	set(server, SOL_SOCKET, SO_REUSEADDR, 0);
	size_t to_server = pour(client, 'c'), to_client = pour(server, 's');
	EXPECT(to_server > 100000 && to_client > 100000);
	marker();
	expect_connected(client, server, &ends);
	EXPECT(option(server, SOL_SOCKET, SO_REUSEADDR) == 0 && drink(server, 'c', to_server));
	EXPECT(drink(client, 's', to_client));
	leave_nothing((int[]){client, server}, 2);
}

/* Not accepted yet: it has said something, or nothing, or that it has no more to say. */
static void tcp_waiting(void)
{
	struct sockaddr_in name;
	int listener = tcp_listener(&name), client = tcp_client(&name), silent = tcp_client(&name),
	    accepted[2];
	struct ends ends = ends_of(client);
	EXPECT(writes(client, "hello") && shutdown(client, SHUT_WR) == 0);
	marker();
	for (int i = 0; i < 2; i++) {
		int fd = accepted[i] = need(accept(listener, NULL, NULL));
		if (ends_of(fd).peer.sin_port == ends_of(client).own.sin_port) {
			expect_connected(client, fd, &ends);
			EXPECT(reads(fd, "hello") && reads(fd, "") && writes(fd, "yes") &&
			       reads(client, "yes"));
		} else {
			EXPECT(writes(silent, "now") && reads(fd, "now"));
		}
	}
	EXPECT(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 0) == 0);
	leave_nothing((int[]){client, silent, accepted[0], accepted[1]}, 4);
}

/* Connections whose other ends are closed, by who accepted the one and by who connected the other. */
static void tcp_left(void)
{
	struct sockaddr_in name;
	int listener = tcp_listener(&name), client = tcp_client(&name);
	int gone = need(accept(listener, NULL, NULL)), other = tcp_client(&name);
	int server = need(accept(listener, NULL, NULL));
	struct ends ends[] = {ends_of(client), ends_of(server)};
	EXPECT(writes(gone, "bye") && close(gone) == 0 && close(other) == 0);
	for (int i = 0; i < 2; i++) {
		struct pollfd end = {.fd = i == 0 ? client : server, .events = POLLRDHUP};
		EXPECT(poll(&end, 1, -1) == 1);
	}
	marker();
	struct ends now[] = {ends_of(client), ends_of(server)};
	EXPECT(memcmp(ends, now, sizeof(ends)) == 0);
	EXPECT(reads(client, "bye") && reads(client, "") && reads(server, ""));
	EXPECT(option(client, SOL_SOCKET, SO_ERROR) == 0);
	leave_nothing((int[]){client, server}, 2);
}

static int unix_listener(int type, const char *path, struct sockaddr_un *name)
{
	int fd = need(socket(AF_UNIX, type, 0));
	*name = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(name->sun_path, path);
	EXPECT(bind(fd, (struct sockaddr *)name, sizeof(*name)) == 0 && listen(fd, 5) == 0);
	return fd;
}

static int unix_client(int type, const struct sockaddr_un *name, const char *own)
{
	struct sockaddr_un own_name = {.sun_family = AF_UNIX};
	int fd = need(socket(AF_UNIX, type, 0));
	strcpy(own_name.sun_path, own);
	if (*own)
		EXPECT(bind(fd, (struct sockaddr *)&own_name, sizeof(own_name)) == 0);
	EXPECT(connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0);
	return fd;
}

static bool is_called(const struct sockaddr_un *name, const char *wanted)
{
	return strcmp(name->sun_path, wanted) == 0;
}

static void send_with(int fd, const char *text, int passed)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {
	        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	*head = (struct cmsghdr){
	        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(head), &passed, sizeof(passed));
	EXPECT(sendmsg(fd, &message, 0) == (ssize_t)part.iov_len);
}

/* A connection with bytes and a descriptor, one of packets and with a name of its own. */
static void unix_waiting(void)
{
	struct sockaddr_un stream, packet, peer = {0};
	char byte, control[256];
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	socklen_t size = sizeof(peer);
	int streams = unix_listener(SOCK_STREAM, "stream", &stream), pipe_ends[2], fd = -1;
	int packets = unix_listener(SOCK_SEQPACKET, "packet", &packet);
	int one = unix_client(SOCK_STREAM, &stream, ""), two = unix_client(SOCK_SEQPACKET, &packet, "own");
	need(pipe(pipe_ends));
	EXPECT(writes(one, "ab") && writes(two, "first") && writes(two, "second"));
	send_with(one, "c", pipe_ends[1]);
	close(pipe_ends[1]);
	marker();
	int accepted = need(accept(streams, NULL, NULL));
	EXPECT(recv(accepted, control, 2, 0) == 2 && memcmp(control, "ab", 2) == 0);
	EXPECT(recvmsg(accepted, &message, 0) == 1 && byte == 'c' && CMSG_FIRSTHDR(&message) != NULL);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	EXPECT(writes(fd, "through") && reads(pipe_ends[0], "through"));
	EXPECT(writes(accepted, "answer") && reads(one, "answer"));
	accepted = need(accept(packets, (struct sockaddr *)&peer, &size));
	EXPECT(is_called(&peer, "own") && reads(accepted, "first") && reads(accepted, "second"));
	EXPECT(writes(accepted, "x") && reads(two, "x"));
}

/* Both ends have a name: that of the listener, which goes on, and its own. */
static void unix_both_named(void)
{
	struct sockaddr_un name, peer = {0};
	socklen_t size = sizeof(peer);
	int listener = unix_listener(SOCK_STREAM, "name", &name),
	    client = unix_client(SOCK_STREAM, &name, "own");
	int server = need(accept(listener, NULL, NULL));
	EXPECT(writes(client, "a") && writes(server, "b"));
	marker();
	EXPECT(getpeername(server, (struct sockaddr *)&peer, &size) == 0 && is_called(&peer, "own"));
	size = sizeof(peer);
	EXPECT(getpeername(client, (struct sockaddr *)&peer, &size) == 0 && is_called(&peer, "name"));
	EXPECT(reads(server, "a") && reads(client, "b"));
	int again = unix_client(SOCK_STREAM, &name, "");
	EXPECT(writes(again, "c") && reads(need(accept(listener, NULL, NULL)), "c"));
}

/* Bound to groups, with a port that another start has, too, and one that has none. */
static void netlink(void)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK}, before = {0},
	                   after = {0};
	socklen_t size = sizeof(before);
	int fd = need(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)),
	    plain = need(socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
	EXPECT(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	set(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_ND_USEROPT); /* beyond nl_groups' first ones */
	set(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	EXPECT(getsockname(fd, (struct sockaddr *)&before, &size) == 0 && before.nl_pid != 0);
	marker();
	uint32_t groups[4] = {0};
	size = sizeof(after);
	EXPECT(getsockname(fd, (struct sockaddr *)&after, &size) == 0 && after.nl_pid == before.nl_pid &&
	       after.nl_groups == before.nl_groups);
	size = sizeof(groups);
	EXPECT(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &size) == 0 &&
	       groups[0] == before.nl_groups && option(fd, SOL_NETLINK, NETLINK_EXT_ACK) == 1);
	size = sizeof(after);
	EXPECT(getsockname(plain, (struct sockaddr *)&after, &size) == 0 && after.nl_pid == 0 &&
	       option(plain, SOL_SOCKET, SO_PROTOCOL) == NETLINK_KOBJECT_UEVENT &&
	       (fcntl(plain, F_GETFL) & O_NONBLOCK));
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(tcp_connections), MODE(tcp_streams),     MODE(tcp_waiting), MODE(unix_waiting),
	        MODE(tcp_left),        MODE(unix_both_named), MODE(netlink)};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
