/* inotify instances: fdinfo tells what is watched by inode, and its path is searched for. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "tracer/capture/fds/find_path.h"
#include "tracer/capture/fds/kinds.h"

/* "inotify wd:1 ino:b000f sdev:800001 mask:800afce ignored_mask:0 fhandle-bytes:8 …" (proc(5)). The device's
 * number is the kernel's own: the minor one has 20 bits. */
static bool read_watch(const char *line, struct wanted_path *wanted, struct snapimg_inotify *watched)
{
	unsigned int device;
	unsigned long inode;

	if (sscanf(line, "inotify wd:%x ino:%lx sdev:%x mask:%x", (unsigned int *)&watched->watch, &inode,
	           &device, &watched->mask) != 4)
		return false;
	*wanted = (struct wanted_path){.device = makedev(device >> 20, device & 0xfffff), .inode = inode};
	watched->mask &= IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT;
	return true;
}

static int by_watch(const void *left, const void *right)
{
	const struct snapimg_inotify *a = left, *b = right;

	return (a->watch > b->watch) - (a->watch < b->watch);
}

static enum status add_all(struct taking *taking, struct open_descriptor *it, struct snapimg_inotify *watched,
                           struct wanted_path *wanted, size_t count)
{
	enum status status = find_paths(taking->survey, it->pid, wanted, count);

	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		if (!wanted[i].path)
			return refuse_descriptor(taking->survey, it,
			                         "an inotify watch of a file that can't be found",
			                         "watch it after the point");
		if (watched[i].watch < 1 || watched[i].watch > SNAPIMG_INOTIFY_MAX)
			return refuse_descriptor(taking->survey, it,
			                         "an inotify instance of very many watches",
			                         "make it after the point");
		if (wanted[i].is_link)
			watched[i].mask |= IN_DONT_FOLLOW;
		status = objects_name(taking->objects, wanted[i].path, &watched[i].path);
	}
	if (status != STATUS_OK)
		return status;
	if (count)
		qsort(watched, count, sizeof(*watched), by_watch);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = objects_inotify(taking->objects, watched[i]);
	return status;
}

enum status take_inotify(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	struct snapimg_inotify *watched;
	struct wanted_path *wanted;
	size_t count = 0, lines = 1;
	int waiting = 0;
	enum status status;

	(void)object;
	if (ioctl(it->copy, FIONREAD, &waiting) < 0 || waiting > 0)
		return refuse_descriptor(taking->survey, it, "an inotify instance with events that wait",
		                         "read them before the point");
	for (const char *at = it->info.bytes; (at = strchr(at, '\n')); at++)
		lines++;
	watched = calloc(lines, sizeof(*watched));
	wanted = calloc(lines, sizeof(*wanted));
	for (const char *line = it->info.bytes; watched && wanted && line && *line;
	     line = strchr(line, '\n')) {
		line += *line == '\n';
		if (read_watch(line, &wanted[count], &watched[count]))
			count++;
	}
	status = watched && wanted ? add_all(taking, it, watched, wanted, count)
	                           : fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; wanted && i < count; i++)
		free(wanted[i].path);
	free(watched);
	free(wanted);
	return status;
}
