/* Files that were deleted, or never had a name (O_TMPFILE), and directories that were removed. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tracer/capture/fds/kinds.h"

/* A start makes one for a moment, in which nothing can be made either when it is removed. */
enum status take_removed(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	enum { ROOM = 4096 };
	static const char mark[] = " (deleted)";
	size_t length = strlen(it->link);
	char path[ROOM];

	if (length >= sizeof(mark) && strcmp(it->link + length - (sizeof(mark) - 1), mark) == 0)
		length -= sizeof(mark) - 1;
	if (take_reopened(taking, it, object)) {
		object->flags |= it->flags & (uint32_t)O_DIRECTORY;
		return STATUS_OK;
	}
	const char *beside = made_file_beside_content(it->copy, it->link);
	if (beside)
		return refuse_descriptor(taking->survey, it,
		                         "a removed directory with extended attributes or flags",
		                         "set them after the point");
	snprintf(path, sizeof(path), "%.*s", (int)length, it->link);
	note_nameless(&it->identity, object);
	return objects_name(taking->objects, path, &object->name);
}

enum status take_unlinked(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	char directory[4096];
	enum status status;

	snprintf(directory, sizeof(directory), "%s", it->link);
	char *slash = strrchr(directory, '/');
	slash[slash == directory] = '\0';
	if ((status = objects_name(taking->objects, directory, &object->name)) != STATUS_OK)
		return status;
	return take_nameless(taking, it, object);
}
