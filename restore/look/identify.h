/* Whether a file is the one that the image means; tracer/capture/identify.c notes by what. */
#ifndef RESTORE_LOOK_IDENTIFY_H
#define RESTORE_LOOK_IDENTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Warns if a process beside has file `index` open, which the program writes to. */
void file_tell_if_shared(uint32_t index, const char *path, int descriptor);
/* Opens a file whose mode keeps its own user out, as of one that was made with 0 or 0444 and is still open to
 * be written: its owner may open it all the same, by a mode that is put back at once. -EACCES: it's
 * another's, or has not the recorded mode. */
long file_open_own(uint32_t index, const char *path, uint32_t flags);
/* Whether this is the recorded file; false where its content isn't known. */
bool file_is_same(uint32_t index, const char *path, int descriptor);
/* Ends the loader, or warns, as --on-mismatch says, if file `index`, open as `descriptor`, is another. */
void file_identify(uint32_t index, const char *path, int descriptor);
/* Makes a file that the program had made itself, with its content. Never over one that is there. A descriptor
 * that is open for reading and writing, or -errno; -ENOENT if the image has no content of it. It is removed
 * again if the start is refused. */
long file_make(uint32_t index, const char *path);
/* Makes one that is needed by its name alone, in one step: who starts beside this one finds it whole, or not
 * at all. 0 or -errno; -EEXIST: it is there. */
long file_make_named(uint32_t index, const char *path);
/* Whether it would be made if it were not there. */
bool file_can_be_made(uint32_t index);
/* Whether another process of the tree may make it, if it is not there. */
bool file_is_anothers(uint32_t index);
/* Of some files only the program's own view counts, and each start has one of its own, without a name. */
bool file_is_scratch(uint32_t index);
/* A descriptor, or -errno. */
long file_make_nameless(uint32_t index);

#endif
