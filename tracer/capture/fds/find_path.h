/* Where a file is whose inode alone is known: only root may open by handle, so directories are searched that
 * a program has to do with. */
#ifndef TRACER_CAPTURE_FDS_FIND_PATH_H
#define TRACER_CAPTURE_FDS_FIND_PATH_H

#include <sys/types.h>

#include "tracer/capture/fds/survey.h"

struct wanted_path {
	dev_t device;
	ino_t inode;
	bool is_link; /* a symbolic link itself */
	char *path;   /* absolute, NULL: not found; the caller's to free */
};

/* Sets what it finds. STATUS_OK also where it finds nothing. */
enum status find_paths(const struct survey *survey, pid_t pid, struct wanted_path *wanted, size_t count)
        __attribute__((warn_unused_result));

#endif
