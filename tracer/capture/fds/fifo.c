/* Named pipes: opened again at their place; what is in them goes back into them. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tracer/capture/fds/kinds.h"
#include "tracer/capture/identify.h"

static uint32_t mode_of(const struct open_descriptor *it)
{
	return it->flags & O_ACCMODE;
}

struct users {
	bool written;   /* somebody in the process can write to it */
	bool inherited; /* one of its openings is the caller's */
	bool told;      /* an earlier reader has what is in it */
	bool packets;   /* one of them writes these (O_DIRECT) */
};

static struct users find_users(const struct survey *survey, const struct open_descriptor *it)
{
	struct users users = {0};

	size_t count;
	struct open_descriptor **opened = survey_of_link(survey, it->link, &count);

	for (size_t i = 0; i < count; i++) {
		const struct open_descriptor *other = opened[i];
		if (other->flags & O_PATH)
			continue;
		users.written = users.written || mode_of(other) != O_RDONLY;
		users.inherited = users.inherited || other->inherited >= 0;
		users.packets = users.packets || (other->flags & O_DIRECT) != 0;
		users.told = users.told || (other < it && other->object >= 0 && mode_of(other) != O_WRONLY);
	}
	return users;
}

static bool is_fresh(const struct open_descriptor *it, const struct users *users)
{
	struct pollfd look = {.fd = it->copy, .events = POLLIN};

	return mode_of(it) == O_RDONLY && !users->written && poll(&look, 1, 0) >= 0 && look.revents == 0;
}

static enum status take_content(struct taking *taking, struct open_descriptor *it, const struct users *users,
                                int size)
{
	int waiting = 0;

	if (ioctl(it->copy, FIONREAD, &waiting) < 0 || waiting == 0 || users->told)
		return STATUS_OK;
	if (mode_of(it) == O_WRONLY) {
		size_t count;
		struct open_descriptor **opened = survey_of_link(taking->survey, it->link, &count);
		for (size_t i = 0; i < count; i++)
			if (mode_of(opened[i]) != O_WRONLY)
				return STATUS_OK; /* it will be asked */
		return refuse_descriptor(taking->survey, it, "a FIFO with something in it and no reader",
		                         "choose a point where it is read");
	}
	return take_pipe_waiting(taking, it, users->packets, size, waiting);
}

/* Nobody can look for it by its name any more, so a pipe is all that it was; but one that was never written
 * to, whose reader doesn't hear of an end yet (fs/pipe.c, fifo_open). */
static enum status take_nameless_fifo(struct taking *taking, struct open_descriptor *it,
                                      const struct users *users, struct snapimg_object *object)
{
	if (is_fresh(it, users))
		return refuse_descriptor(taking->survey, it,
		                         "a FIFO whose name is gone and that nobody has written to",
		                         "close it before the point");
	object->kind = SNAPIMG_OBJECT_PIPE;
	return take_pipe(taking, it, object);
}

/* As make does, whose jobs find it by its name: a start makes it again. The tree's first process counts. */
static bool was_made(const struct taking *taking, const struct open_descriptor *it)
{
	struct proc_stat process;
	struct statx times;

	return proc_try_read_stat(taking->survey->process->pid, &process) == 0 &&
	       statx(AT_FDCWD, it->link, 0, STATX_BTIME | STATX_CTIME, &times) == 0 &&
	       is_younger(&times, &process);
}

enum status take_fifo(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	struct users users = find_users(taking->survey, it);
	int size = fcntl(it->copy, F_GETPIPE_SZ);
	struct stat found;
	enum status status;

	if (stat(it->link, &found) < 0 || found.st_dev != it->identity.st_dev ||
	    found.st_ino != it->identity.st_ino)
		return take_nameless_fifo(taking, it, &users, object);
	if (users.inherited)
		return refuse_descriptor(taking->survey, it, "a FIFO that another process has open",
		                         "choose a point where none has");
	object->value[SNAPIMG_FIFO_SIZE] = size > 0 ? (uint64_t)size : 0;
	object->value[SNAPIMG_FIFO_FRESH] = is_fresh(it, &users);
	if (was_made(taking, it))
		object->value[SNAPIMG_FIFO_MADE] = found.st_mode;
	if ((status = objects_name(taking->objects, it->link, &object->name)) != STATUS_OK)
		return status;
	return take_content(taking, it, &users, size);
}
