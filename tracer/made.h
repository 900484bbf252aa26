/* Files and directories that processes which are followed have made: mkdir(2), and open(2) with O_EXCL, as
 * mkdtemp(3) and mkstemp(3) do. Whether they are still there is the reader's to see. */
#ifndef TRACER_MADE_H
#define TRACER_MADE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct made_name {
	char *path; /* absolute, without links */
	dev_t device;
	ino_t inode;
};

/* Thread `tid` has just made a directory of this name, which begins at its descriptor `directory`. */
void made_note_directory(pid_t tid, int directory, const char *path);
/* Thread `tid` has just made this file, and has it open. */
void made_note_file(pid_t tid, int fd);

/* In the order of their making. */
const struct made_name *made_names(size_t *ret_count);
/* Whether that path was made, and is what was made there. */
bool made_was_seen(const char *path, const struct stat *identity);

#endif
