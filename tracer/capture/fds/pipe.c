/* Pipes: what is in them is copied with tee(2), which takes nothing out. */
#include <fcntl.h>
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

/* The other end; *ret_count: how many descriptions have this end, this one included; *ret_given: the
 * caller has disposed of an end (--fd). */
static struct open_descriptor *find_other(const struct taking *taking, const struct open_descriptor *it,
                                          unsigned *ret_count, bool *ret_inherited, bool *ret_given)
{
	struct open_descriptor *other = NULL;
	unsigned ends = 0, others = 0;
	size_t all;
	struct open_descriptor **opened = survey_of_link(taking->survey, it->link, &all);

	*ret_inherited = *ret_given = false;
	for (size_t i = 0; i < all; i++) {
		struct open_descriptor *candidate = opened[i];
		if (!is_representative(taking->survey, candidate))
			continue;
		if (candidate->override) {
			*ret_given = true;
			continue;
		}
		*ret_inherited = *ret_inherited || candidate->inherited >= 0;
		if (mode_of(candidate) == mode_of(it)) {
			ends++;
		} else {
			other = candidate;
			others++;
		}
	}
	*ret_count = ends > others ? ends : others;
	return other;
}

static bool is_hung_up(int copy, short events)
{
	struct pollfd look = {.fd = copy, .events = events};

	return poll(&look, 1, 0) >= 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

enum status take_pipe_content(struct taking *taking, int from, int size, int waiting)
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

enum status take_pipe(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	unsigned count;
	bool inherited, given, reads = mode_of(it) == O_RDONLY;
	struct open_descriptor *other = find_other(taking, it, &count, &inherited, &given);
	int waiting = 0, size = fcntl(it->copy, F_GETPIPE_SZ);

	if (count > 1 || mode_of(it) == O_RDWR)
		return refuse_descriptor(taking->survey, it, "a pipe that was opened more than once",
		                         "close it before the point");
	if (inherited || (!other && !given && !is_hung_up(it->copy, reads ? POLLIN : POLLOUT)))
		return refuse_descriptor(taking->survey, it, "a pipe whose other end is elsewhere",
		                         "close it before the point");
	object->value[SNAPIMG_PIPE_SIZE] = (uint64_t)size;
	if (other && other->object >= 0)
		object->peer = (uint32_t)other->object + 1;
	if (!reads || ioctl(it->copy, FIONREAD, &waiting) < 0 || waiting == 0)
		return STATUS_OK;
	if ((it->flags | (other ? other->flags : 0)) & O_DIRECT)
		return refuse_descriptor(taking->survey, it, "a pipe with packets (O_DIRECT) in it",
		                         "read them before the point");
	return take_pipe_content(taking, it->copy, size, waiting);
}
