/* What waits in Unix sockets: bytes and messages, and the descriptors that come with them (SCM_RIGHTS).
 * Looking at a message gives this process copies of those; they are surveyed as the target's own ones are,
 * and so may hold others in turn. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/message.h"
#include "tracer/capture/fds/survey.h"

enum { ROOM = 1 << 23, PASSED_MAX = 253 /* include/net/scm.h, SCM_MAX_FD */ };

/* A queue that is being looked at. */
struct looking {
	struct survey *survey;
	size_t carrier; /* in survey->open */
	int copy;
	bool is_stream;
	char *bytes;
	size_t used; /* of them */
	struct waiting_queue *queue;
};

/* One look. */
struct seen {
	ssize_t size; /* -1: nothing more */
	int fd[PASSED_MAX];
	size_t passed;
	bool is_end, is_cut, is_by_other;
};

static void note_passed(struct seen *seen, const struct msghdr *message, const struct cmsghdr *part)
{
	size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	seen->is_cut = (message->msg_flags & MSG_CTRUNC) != 0;
	memcpy(seen->fd, CMSG_DATA(part), (count < PASSED_MAX ? count : PASSED_MAX) * sizeof(int));
	seen->passed = count < PASSED_MAX ? count : PASSED_MAX;
}

/* Without a name, or by the other end of the connection, as all that is filled in. */
static bool is_by_peer(int copy, const struct sockaddr_un *from, socklen_t size)
{
	struct sockaddr_un peer;
	socklen_t peer_size = sizeof(peer);

	return size <= sizeof(sa_family_t) || (getpeername(copy, (struct sockaddr *)&peer, &peer_size) == 0 &&
	                                       size == peer_size && memcmp(from, &peer, size) == 0);
}

/* With SO_PEEK_OFF each look begins after the one before (socket(7)). */
static struct seen look(const struct looking *looking, size_t room)
{
	_Alignas(struct cmsghdr) char control[4096];
	struct sockaddr_un from;
	struct iovec part = {.iov_base = looking->bytes + looking->used, .iov_len = room};
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_name = &from,
	                         .msg_namelen = sizeof(from),
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	struct seen seen = {.size = recvmsg(looking->copy, &message,
	                                    MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC)};

	if (seen.size < 0)
		return seen;
	seen.is_cut = (message.msg_flags & MSG_CTRUNC) != 0;
	for (struct cmsghdr *it = CMSG_FIRSTHDR(&message); it; it = CMSG_NXTHDR(&message, it))
		if (it->cmsg_level == SOL_SOCKET && it->cmsg_type == SCM_RIGHTS)
			note_passed(&seen, &message, it);
	seen.is_end = seen.size == 0 && (looking->is_stream || CMSG_FIRSTHDR(&message) == NULL);
	seen.is_by_other = !is_by_peer(looking->copy, &from, message.msg_namelen);
	return seen;
}

static void forget(const struct seen *seen)
{
	for (size_t i = 0; i < seen->passed; i++)
		close(seen->fd[i]);
}

static bool look_from(const struct looking *looking, int offset)
{
	return setsockopt(looking->copy, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) == 0;
}

/* A stream's look ends after what descriptors came with, but begins before that: how many bytes don't belong
 * to it. Where the last byte can't be copied, the kernel gives what came before the piece that it is of,
 * without looking at its descriptors (net/unix/af_unix.c, unix_stream_read_generic). */
static size_t find_plain(const struct looking *looking, size_t size)
{
	struct iovec parts[] = {{.iov_base = looking->bytes + looking->used, .iov_len = size - 1},
	                        {.iov_base = (void *)1, .iov_len = 1}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t plain = -1;

	if (look_from(looking, (int)looking->used))
		plain = recvmsg(looking->copy, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	(void)look_from(looking, (int)(looking->used + size));
	return plain < 0 ? 0 : (size_t)plain;
}

static enum status add_message(struct looking *looking, size_t size, const struct seen *passed)
{
	struct survey *survey = looking->survey;
	struct waiting_queue *queue = looking->queue;
	struct waiting_message *message = array_add(queue->message, queue->count);
	enum status status = STATUS_OK;

	if (!message) {
		if (passed)
			forget(passed);
		return fail(STATUS_FAILED, "out of memory");
	}
	*message = (struct waiting_message){.offset = looking->used,
	                                    .size = size,
	                                    .first = survey->count,
	                                    .passed = passed ? passed->passed : 0};
	looking->used += size;
	for (size_t i = 0; i < message->passed; i++) {
		if (status == STATUS_OK)
			status = survey_look_at(survey, getpid(), survey->process_count, passed->fd[i]);
		if (status != STATUS_OK) {
			close(passed->fd[i]);
			continue;
		}
		survey->open[survey->count - 1].copy = passed->fd[i];
		survey->open[survey->count - 1].carrier = (int)looking->carrier;
	}
	return status;
}

static enum status look_at_all(struct looking *looking)
{
	enum status status = STATUS_OK;

	while (status == STATUS_OK && !looking->queue->refused) {
		size_t room = ROOM - looking->used, plain = 0;
		struct seen seen = look(looking, room);
		if (seen.size < 0 || seen.is_end)
			break;
		if (seen.is_cut)
			looking->queue->refused =
			        "more descriptors in a Unix socket than snaptrace may have open "
			        "(ulimit -n)";
		else if (room == 0 || (size_t)seen.size > room || seen.is_by_other)
			looking->queue->refused = "a message in a Unix socket";
		if (looking->queue->refused) {
			forget(&seen);
			break;
		}
		if (looking->is_stream && seen.passed > 0)
			plain = find_plain(looking, (size_t)seen.size);
		if (plain > 0)
			status = add_message(looking, plain, NULL);
		if (status == STATUS_OK)
			status = add_message(looking, (size_t)seen.size - plain, &seen);
		else
			forget(&seen);
	}
	return status;
}

/* Where urgent data was received from, or is to be, reading stops, whoever has sent what is on both sides
 * (net/unix/af_unix.c, manage_oob). */
static bool has_mark(const struct looking *looking)
{
	const int off = 0;
	char *bytes;
	ssize_t size;

	for (size_t i = 0; i < looking->queue->count; i++)
		if (looking->queue->message[i].passed > 0)
			return false; /* it ends there for that reason */
	if (!looking->is_stream || looking->queue->count < 2 || !(bytes = malloc(looking->used)))
		return false;
	(void)setsockopt(looking->copy, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	size = look_from(looking, 0) ? recv(looking->copy, bytes, looking->used, MSG_PEEK | MSG_DONTWAIT)
	                             : -1;
	free(bytes);
	return size >= 0 && (size_t)size < looking->used;
}

/* The sender's name (SO_PASSCRED) comes with each message, and not with the end. */
static enum status read_queue(struct looking *looking)
{
	int on = 1, credentials = 0, offset = -1;
	socklen_t length = sizeof(int), offset_length = sizeof(int);
	enum status status = STATUS_OK;

	if (getsockopt(looking->copy, SOL_SOCKET, SO_PASSCRED, &credentials, &length) < 0 ||
	    getsockopt(looking->copy, SOL_SOCKET, SO_PEEK_OFF, &offset, &offset_length) < 0 ||
	    setsockopt(looking->copy, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 || !look_from(looking, 0))
		looking->queue->refused = "a message in a Unix socket";
	else
		status = look_at_all(looking);
	if (!looking->queue->refused && has_mark(looking))
		looking->queue->refused = "a Unix socket with the mark of urgent data (MSG_OOB)";
	(void)look_from(looking, offset);
	(void)setsockopt(looking->copy, SOL_SOCKET, SO_PASSCRED, &credentials, sizeof(credentials));
	return status;
}

static bool is_unix_with_message(struct survey *survey, struct open_descriptor *it, int *ret_type)
{
	struct pollfd look = {.events = POLLIN};
	int domain = 0, listens = 0;
	socklen_t length = sizeof(int);

	if (strncmp(it->link, "socket:[", 8) != 0 || it->inherited >= 0 || it->override || !it->known ||
	    survey_queue(survey, it->identity.st_ino) || !survey_try_copy(survey, it))
		return false;
	look.fd = it->copy;
	return getsockopt(it->copy, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX &&
	       getsockopt(it->copy, SOL_SOCKET, SO_TYPE, ret_type, &length) == 0 &&
	       getsockopt(it->copy, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && !listens &&
	       poll(&look, 1, 0) > 0 && (look.revents & (POLLIN | POLLERR)) == POLLIN;
}

static enum status look_into(struct survey *survey, size_t index)
{
	struct open_descriptor *it = &survey->open[index];
	struct looking looking = {.survey = survey, .carrier = index};
	enum status status;
	int type;

	if (!is_unix_with_message(survey, it, &type))
		return STATUS_OK;
	looking.queue = array_add(survey->queue, survey->queue_count); /* freed with the others */
	looking.bytes = malloc(ROOM);
	if (!looking.queue || !looking.bytes) {
		free(looking.bytes);
		return fail(STATUS_FAILED, "out of memory");
	}
	*looking.queue = (struct waiting_queue){.inode = it->identity.st_ino};
	looking.copy = it->copy;
	looking.is_stream = type == SOCK_STREAM;
	status = read_queue(&looking);
	char *shrunk = realloc(looking.bytes, looking.used + 1);
	looking.queue->bytes = shrunk ? shrunk : looking.bytes;
	return status;
}

enum status survey_look_into(struct survey *survey, size_t first)
{
	enum status status = STATUS_OK;

	for (size_t i = first, end = survey->count; i < end && status == STATUS_OK; i++)
		status = look_into(survey, i);
	return status;
}

const struct waiting_queue *survey_queue(const struct survey *survey, ino_t inode)
{
	for (size_t i = 0; i < survey->queue_count; i++)
		if (survey->queue[i].inode == inode)
			return &survey->queue[i];
	return NULL;
}

void survey_free_queues(struct survey *survey)
{
	for (size_t i = 0; i < survey->queue_count; i++) {
		free(survey->queue[i].bytes);
		free(survey->queue[i].message);
	}
	free(survey->queue);
}
