/* By what the files of an image are recognised where it is started, and which of them it carries with it. */
#ifndef TRACER_CAPTURE_IDENTIFY_H
#define TRACER_CAPTURE_IDENTIFY_H

#include <stdbool.h>
#include <sys/stat.h>

#include "format/base/proc.h"
#include "tracer/capture/fds/table.h"
#include "tracer/capture/files.h"
#include "tracer/capture/known_hashes.h"
#include "tracer/capture/memory/mappings.h"

/* Files are hashed, and carried, up to this size: reading 64 MiB takes about as long as a large dump. */
enum { IDENTIFY_MAX = 64 << 20 };

/* When all that the image says of files is known: notes for each how it is used, and a hash of what counts;
 * adds the content of those that the program made (the request's `carry` says which) to `descriptors`.
 * `first`: the first process of its tree, or itself. The process is stopped. What the others of its tree have
 * is `known`. */
enum status files_identify(struct files *files, const struct mappings *mappings,
                           struct descriptors *descriptors, const struct proc_stat *first,
                           const struct snapshot_request *request, struct known_hashes *known)
        __attribute__((warn_unused_result));

/* Whether what was born then, or where the filesystem keeps no such time was changed last, is younger than
 * the process. */
bool is_younger(const struct statx *times, const struct proc_stat *process);
/* Born after it, beyond what the clocks tell apart: not just before it by who started it. */
bool is_surely_younger(const struct statx *times, const struct proc_stat *process);

enum snapimg_error files_write_identities(const struct files *files, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));

#endif
