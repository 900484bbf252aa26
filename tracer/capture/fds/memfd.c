/* memfds. */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "tracer/capture/fds/kinds.h"

enum status take_memfd(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	static const char before[] = "/memfd:", behind[] = " (deleted)";
	int seals = fcntl(it->copy, F_GET_SEALS);
	struct statfs system;
	char name[256] = "";
	enum status status;

	if (!it->known || seals < 0 || fstatfs(it->copy, &system) < 0 || system.f_type != TMPFS_MAGIC)
		return refuse_descriptor(taking->survey, it, "a memfd of huge or secret pages",
		                         "make it after the point");
	object->value[SNAPIMG_FILE_SEALS] = (uint64_t)seals;
	size_t length = strlen(it->link + strlen(before));
	if (length >= strlen(behind) && length - strlen(behind) < sizeof(name))
		snprintf(name, sizeof(name), "%.*s", (int)(length - strlen(behind)),
		         it->link + strlen(before));
	if ((status = objects_name(taking->objects, name, &object->name)) != STATUS_OK)
		return status;
	return take_nameless(taking, it, object);
}
