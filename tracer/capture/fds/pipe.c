/* Pipes: what is in them is copied with tee(2), which takes nothing out. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"

static uint32_t mode_of(const struct open_descriptor *it)
{
	return it->flags & O_ACCMODE;
}

/* The descriptions of one pipe. */
struct openings {
	struct open_descriptor *own;   /* the first one that opens this end; it is made with the pipe */
	struct open_descriptor *other; /* and of the other end */
	struct open_descriptor *taken; /* one that is an object already */
	bool inherited, packets;
	bool given; /* the caller has disposed of an end (--fd) */
};

static struct openings find_openings(const struct taking *taking, const struct open_descriptor *it)
{
	struct openings found = {0};
	size_t all;
	struct open_descriptor **opened = survey_of_link(taking->survey, it->link, &all);

	for (size_t i = 0; i < all; i++) {
		struct open_descriptor *candidate = opened[i];
		if (!is_representative(taking->survey, candidate))
			continue;
		if (candidate->override) {
			found.given = true;
			continue;
		}
		found.inherited = found.inherited || candidate->inherited >= 0;
		found.packets = found.packets || (candidate->flags & O_DIRECT) != 0;
		if (candidate->object >= 0 && (!found.taken || candidate < found.taken))
			found.taken = candidate;
		struct open_descriptor **first =
		        mode_of(candidate) == mode_of(it) ? &found.own : &found.other;
		if (mode_of(candidate) != O_RDWR && (!*first || candidate < *first))
			*first = candidate;
	}
	return found;
}

static bool is_hung_up(int copy, short events)
{
	struct pollfd look = {.fd = copy, .events = events};

	return poll(&look, 1, 0) >= 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

static enum status take_pipe_content(struct taking *taking, int from, int size, int waiting)
{
	char *bytes = malloc((size_t)waiting);
	enum status status = STATUS_FAILED;
	int own[2] = {-1, -1};
	ssize_t got = -1;

	if (bytes && pipe2(own, O_CLOEXEC | O_NONBLOCK) == 0 && fcntl(own[1], F_SETPIPE_SZ, size) >= size &&
	    tee(from, own[1], (size_t)waiting, SPLICE_F_NONBLOCK) == waiting) {
		ssize_t part = 0;
		for (got = 0; got < waiting; got += part)
			if ((part = read(own[0], bytes + got, (size_t)(waiting - got))) <= 0)
				break;
	}
	if (got == waiting)
		status = objects_fill(taking->objects, 0, bytes, (uint64_t)waiting);
	else
		status = fail(STATUS_FAILED,
		              "can't copy what is in a pipe of process %d: raise the limits of "
		              "/proc/sys/fs/pipe-*",
		              taking->pid);
	free(bytes);
	if (own[0] >= 0) {
		close(own[0]);
		close(own[1]);
	}
	return status;
}

/* A pipe of this process with a copy of all that is in it, packets as packets; -1: can't be had. */
static int copy_of_content(int from, int size, int waiting)
{
	int own[2];

	if (pipe2(own, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	bool is_there = fcntl(own[1], F_SETPIPE_SZ, size) >= size &&
	                tee(from, own[1], (size_t)waiting, SPLICE_F_NONBLOCK) == waiting;
	close(own[1]);
	if (is_there)
		return own[0];
	close(own[0]);
	return -1;
}

/* Each read gives one packet, and forgets the rest of it (pipe(2), O_DIRECT): where reads of a byte don't
 * come as often, there are other bytes between. */
static size_t count_reads(int copy, size_t room)
{
	char bytes[PIPE_BUF];
	size_t count = 0;

	while (read(copy, bytes, room) > 0)
		count++;
	return count;
}

/* By a content each: what is written to a pipe with O_DIRECT is a packet. */
static enum status take_packets(struct taking *taking, const struct open_descriptor *it, int size,
                                int waiting)
{
	enum { BY_BYTE, WHOLE, LAST, COPIES };
	enum status status = STATUS_OK;
	char bytes[PIPE_BUF];
	int copy[COPIES];
	ssize_t got;

	for (size_t i = 0; i < COPIES; i++)
		copy[i] = copy_of_content(it->copy, size, waiting);
	if (copy[BY_BYTE] < 0 || copy[WHOLE] < 0 || copy[LAST] < 0 ||
	    count_reads(copy[BY_BYTE], 1) != count_reads(copy[WHOLE], sizeof(bytes)))
		status = refuse_descriptor(taking->survey, it,
		                           "a pipe with packets (O_DIRECT) and other bytes in it",
		                           "read them before the point");
	while (status == STATUS_OK && (got = read(copy[LAST], bytes, sizeof(bytes))) > 0)
		status = objects_fill(taking->objects, SNAPIMG_PIPE_PACKET, bytes, (uint64_t)got);
	for (size_t i = 0; i < COPIES; i++)
		if (copy[i] >= 0)
			close(copy[i]);
	return status;
}

/* Whoever wrote them may not write so any more. */
static bool holds_packets(int from, int size, int waiting)
{
	int copy = copy_of_content(from, size, waiting), left = waiting;
	char bytes[PIPE_BUF];
	ssize_t got = copy < 0 ? 0 : read(copy, bytes, 1);
	bool ends = got == 1 && (ioctl(copy, FIONREAD, &left) < 0 || left != waiting - 1);

	while (!ends && got > 0 && left > 0) {
		size_t most = left < PIPE_BUF ? (size_t)left : sizeof(bytes);
		got = read(copy, bytes, most);
		ends = got != (ssize_t)most;
		left -= (int)most;
	}
	if (copy >= 0)
		close(copy);
	return ends;
}

enum status take_pipe_waiting(struct taking *taking, const struct open_descriptor *it, bool packets, int size,
                              int waiting)
{
	return packets || holds_packets(it->copy, size, waiting)
	               ? take_packets(taking, it, size, waiting)
	               : take_pipe_content(taking, it->copy, size, waiting);
}

/* What waits in the pipe, which one that reads it is asked for. */
static enum status take_what_waits(struct taking *taking, const struct open_descriptor *it,
                                   const struct openings *openings, int size)
{
	int waiting = 0;

	if (ioctl(it->copy, FIONREAD, &waiting) < 0 || waiting == 0)
		return STATUS_OK;
	return take_pipe_waiting(taking, it, openings->packets, size, waiting);
}

/* Another description of an end, or of both, by /proc/self/fd or a FIFO's name. The first one that was taken
 * is a PIPE, be it one for both. */
static enum status take_again(struct taking *taking, const struct open_descriptor *it,
                              const struct openings *openings, struct snapimg_object *object)
{
	int size = fcntl(it->copy, F_GETPIPE_SZ);

	if (openings->taken) {
		object->kind = SNAPIMG_OBJECT_REOPENED;
		object->peer = (uint32_t)openings->taken->object + 1;
		return STATUS_OK;
	}
	object->value[SNAPIMG_PIPE_SIZE] = (uint64_t)size;
	return take_what_waits(taking, it, openings, size);
}

/* Whether all others are opened again from one that reads and writes. */
static bool is_of_both(const struct taking *taking, const struct openings *openings)
{
	const struct snapimg_object *object = taking->objects->object.items;

	return openings->taken && (object[openings->taken->object].flags & O_ACCMODE) == O_RDWR;
}

enum status take_pipe(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	bool reads = mode_of(it) == O_RDONLY;
	struct openings openings = find_openings(taking, it);
	const struct open_descriptor *other = openings.other;
	int size = fcntl(it->copy, F_GETPIPE_SZ);

	if (openings.inherited)
		return refuse_descriptor(taking->survey, it, "a pipe whose other end is elsewhere",
		                         "close it before the point");
	if (openings.own != it || is_of_both(taking, &openings))
		return take_again(taking, it, &openings, object);
	if (!other && !openings.given && !is_hung_up(it->copy, reads ? POLLIN : POLLOUT))
		return refuse_descriptor(taking->survey, it, "a pipe whose other end is elsewhere",
		                         "close it before the point");
	object->value[SNAPIMG_PIPE_SIZE] = (uint64_t)size;
	if (other && other->object >= 0)
		object->peer = (uint32_t)other->object + 1;
	return reads ? take_what_waits(taking, it, &openings, size) : STATUS_OK;
}
