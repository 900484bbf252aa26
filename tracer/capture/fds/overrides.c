/* What the caller wants in the place of a descriptor (--fd). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/capture/fds/kinds.h"

static enum status put_file(const struct open_descriptor *it, const char *file, struct files *files,
                            struct snapimg_descriptor *record)
{
	char path[PATH_MAX];
	struct stat found;
	enum status status;
	size_t index;

	if (!realpath(file, path) || stat(path, &found) < 0)
		return fail(STATUS_FAILED, "--fd %d: %s: %s", it->number, file, strerror(errno));
	if ((status = files_add(files, path, &found, SNAPIMG_CHECK_EXISTS, &index)) != STATUS_OK)
		return status;
	record->kind = SNAPIMG_DESCRIPTOR_FILE;
	record->flags = it->flags & (O_ACCMODE | O_APPEND | O_NONBLOCK);
	record->file = (uint32_t)index + 1;
	return STATUS_OK;
}

enum status record_override(const struct open_descriptor *it, struct files *files,
                            struct snapimg_descriptor *record)
{
	switch (it->override->kind) {
	case OVERRIDE_CLOSE:
		record->kind = SNAPIMG_DESCRIPTOR_CLOSED;
		return STATUS_OK;
	case OVERRIDE_INHERIT:
		record->kind = SNAPIMG_DESCRIPTOR_INHERIT;
		record->source = it->number;
		return STATUS_OK;
	case OVERRIDE_NULL:
	case OVERRIDE_FILE:
		break;
	}
	record->source = 0;
	return put_file(it, it->override->kind == OVERRIDE_NULL ? "/dev/null" : it->override->file, files,
	                record);
}
