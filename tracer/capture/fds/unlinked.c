/* Files that were deleted, or never had a name (O_TMPFILE). */
#include <stdio.h>
#include <string.h>

#include "tracer/capture/fds/kinds.h"

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
