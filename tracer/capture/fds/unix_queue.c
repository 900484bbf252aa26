/* What is on its way in a Unix socket: bytes, and messages, also empty ones. */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"

#define INTERRUPTED "receive it before the point"

/* What the messages that were seen are charged to their sender. */
struct measure {
	int ends[2];
	uint64_t cost;
	size_t empty; /* messages without bytes */
	bool is_known;
};

static bool carries_rights(struct msghdr *message)
{
	bool found = (message->msg_flags & MSG_CTRUNC) != 0;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		found = true;
		for (size_t i = 0; i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
			close(fd);
		}
	}
	return found;
}

/* Without a name, or by the other end of the connection, as all that is filled in. */
static bool is_by_peer(int copy, const struct sockaddr_un *from, socklen_t size)
{
	struct sockaddr_un peer;
	socklen_t peer_size = sizeof(peer);

	return size <= sizeof(sa_family_t) || (getpeername(copy, (struct sockaddr *)&peer, &peer_size) == 0 &&
	                                       size == peer_size && memcmp(from, &peer, size) == 0);
}

/* One look at the queue; a stream's shows all of it. Its length, or -1: nothing more, or -2: refused. */
/* NOLINTNEXTLINE(readability-non-const-parameter): it is received into */
static ssize_t look(struct taking *taking, struct open_descriptor *it, char *bytes, size_t room,
                    bool *ret_is_end)
{
	_Alignas(struct cmsghdr) char control[4096];
	struct sockaddr_un from;
	struct iovec part = {.iov_base = bytes, .iov_len = room};
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_name = &from,
	                         .msg_namelen = sizeof(from),
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	ssize_t size = recvmsg(it->copy, &message, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);

	if (size < 0)
		return -1;
	if (carries_rights(&message))
		(void)refuse_descriptor(taking->survey, it, "a descriptor on its way through a socket",
		                        INTERRUPTED);
	else if ((size_t)size > room || !is_by_peer(it->copy, &from, message.msg_namelen))
		(void)refuse_descriptor(taking->survey, it, "a message in a Unix socket", INTERRUPTED);
	else {
		*ret_is_end = size == 0 && CMSG_FIRSTHDR(&message) == NULL;
		return size;
	}
	return -2;
}

/* What a message of that size is charged to its sender until it is received (SIOCOUTQ): the kernel counts
 * buffers, not bytes. 0: it can't be told. */
static uint64_t cost_of(const struct measure *measure, const char *bytes, size_t size)
{
	char byte;
	int cost = 0;

	if (send(measure->ends[0], bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
		return 0;
	(void)ioctl(measure->ends[0], SIOCOUTQ, &cost);
	(void)recv(measure->ends[1], &byte, 1, MSG_DONTWAIT);
	return cost > 0 ? (uint64_t)cost : 0;
}

/* A message without bytes that was looked at before, be it for an earlier image, is not shown again. But its
 * sender is still charged for it. */
static bool lacks_messages(const struct measure *measure, const struct taking *taking,
                           struct open_descriptor *sender)
{
	int charged = 0;
	uint64_t empty = cost_of(measure, "", 0), missing;

	if (!sender || !survey_try_copy(taking->survey, sender) ||
	    ioctl(sender->copy, SIOCOUTQ, &charged) < 0 || !measure->is_known || empty == 0)
		return measure->empty > 0;
	missing = (uint64_t)charged - measure->cost;
	return missing != 0 && (measure->empty > 0 || (missing < INT32_MAX && missing % empty == 0));
}

/* With SO_PEEK_OFF each look at a message begins after the one before (socket(7)). */
static enum status look_at_all(struct taking *taking, struct open_descriptor *it, char *bytes, size_t room,
                               struct measure *measure)
{
	enum status status = STATUS_OK;
	bool is_end = false;
	ssize_t size;

	while (status == STATUS_OK && (size = look(taking, it, bytes, room, &is_end)) != -1 && !is_end) {
		if (size < 0)
			return STATUS_REFUSED;
		uint64_t cost = cost_of(measure, bytes, (size_t)size);
		measure->is_known = measure->is_known && cost > 0;
		measure->cost += cost;
		measure->empty += size == 0;
		status = objects_fill(taking->objects, 0, bytes, (uint64_t)size);
	}
	return status;
}

/* The sender's name (SO_PASSCRED) comes with each message, and not with the end. */
static enum status take_messages(struct taking *taking, struct open_descriptor *it, char *bytes, size_t room,
                                 int type, struct open_descriptor *sender)
{
	int from = 0, usual = -1, on = 1, before = 0;
	struct measure measure = {.is_known = true};
	socklen_t length = sizeof(before);
	enum status status = STATUS_OK;

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, measure.ends) < 0)
		return fail(STATUS_FAILED, "can't make a socket: %s", strerror(errno));
	if (getsockopt(it->copy, SOL_SOCKET, SO_PASSCRED, &before, &length) < 0 ||
	    setsockopt(it->copy, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    setsockopt(it->copy, SOL_SOCKET, SO_PEEK_OFF, &from, sizeof(from)) < 0)
		status = refuse_descriptor(taking->survey, it, "a message in a Unix socket", INTERRUPTED);
	else if ((status = look_at_all(taking, it, bytes, room, &measure)) == STATUS_OK &&
	         lacks_messages(&measure, taking, sender))
		status = refuse_descriptor(taking->survey, it,
		                           "an empty message in a Unix socket that was looked at before, or "
		                           "whose sender is closed",
		                           INTERRUPTED);
	(void)setsockopt(it->copy, SOL_SOCKET, SO_PEEK_OFF, &usual, sizeof(usual));
	(void)setsockopt(it->copy, SOL_SOCKET, SO_PASSCRED, &before, sizeof(before));
	close(measure.ends[0]);
	close(measure.ends[1]);
	return status;
}

enum status take_unix_queue(struct taking *taking, struct open_descriptor *it, int type,
                            struct open_descriptor *sender)
{
	enum { ROOM = 1 << 23 };
	struct pollfd readable = {.fd = it->copy, .events = POLLIN};
	enum status status = STATUS_OK;
	bool is_end = false;
	int waiting = 0;
	ssize_t size;

	if (ioctl(it->copy, FIONREAD, &waiting) < 0)
		return refuse_descriptor(taking->survey, it, "a Unix socket", "close it before the point");
	if (waiting == 0 && (type == SOCK_STREAM || poll(&readable, 1, 0) <= 0))
		return STATUS_OK;
	char *bytes = malloc(ROOM);
	if (!bytes)
		return fail(STATUS_FAILED, "out of memory");
	if (type != SOCK_STREAM)
		status = take_messages(taking, it, bytes, ROOM, type, sender);
	else if ((size = look(taking, it, bytes, ROOM, &is_end)) == waiting)
		status = objects_fill(taking->objects, 0, bytes, (uint64_t)size);
	else
		status = size == -2 ? STATUS_REFUSED
		                    : refuse_descriptor(taking->survey, it, "data in a Unix socket",
		                                        INTERRUPTED);
	free(bytes);
	return status;
}
