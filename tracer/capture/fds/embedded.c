/* Files that were open for reading, in an image that needs none: each start has a copy of its own in memory.
 */
#include <fcntl.h>
#include <string.h>

#include "tracer/capture/fds/kinds.h"

enum { NAME_MAX_SIZE = 249 }; /* of memfd_create(2) */

static bool is_locked(const struct taking *taking, const struct open_descriptor *it)
{
	const struct snapimg_lock *lock = taking->objects->lock.items;

	for (size_t i = 0; i < taking->objects->lock.count && !is_on_its_way(taking->survey, it); i++)
		if (lock[i].number == it->number)
			return true;
	return false;
}

/* Its path, or the end of a long one. */
static const char *name_of(const struct open_descriptor *it)
{
	size_t length = strlen(it->link);

	return it->link + (length > NAME_MAX_SIZE ? length - NAME_MAX_SIZE : 0);
}

/* A new description of it: the target's own has a place that must stay. */
static int open_again(const struct open_descriptor *it)
{
	struct proc_path path = proc_path(it->pid, "fd/%d", it->number);

	return open(path.text, O_RDONLY | O_CLOEXEC);
}

enum status take_embedded(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	const uint64_t seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	enum status status;

	if (is_locked(taking, it))
		return refuse_descriptor(taking->survey, it, "a lock on a file that goes into the image",
		                         "unlock it before the point, or leave out --self-contained");
	object->flags &= ~(uint32_t)O_DIRECT; /* memory has none before Linux 6.6 */
	if (take_reopened(taking, it, object))
		return STATUS_OK;
	if ((status = objects_name(taking->objects, name_of(it), &object->name)) != STATUS_OK)
		return status;
	object->value[SNAPIMG_FILE_MODE] = (it->identity.st_mode & 0777) | S_IRUSR;
	object->value[SNAPIMG_FILE_SEALS] = seals;
	int fd = it->identity.st_size ? open_again(it) : -1;
	if (fd < 0 && it->identity.st_size)
		return refuse_descriptor(taking->survey, it, "a file that can't be read again",
		                         "let snaptrace read it, or close it before the point");
	return take_file_content(taking, it, fd, object);
}
