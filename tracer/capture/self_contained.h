/* What an image that needs no files has besides its mappings' content: what else has to be looked at. */
#ifndef TRACER_CAPTURE_SELF_CONTAINED_H
#define TRACER_CAPTURE_SELF_CONTAINED_H

#include "tracer/capture/fds/table.h"
#include "tracer/capture/files.h"
#include "tracer/capture/memory/mappings.h"
#include "tracer/capture/snapshot.h"

/* Refuses by name memory that only its file can hold; tells which files a start needs nevertheless, and what
 * a known runtime opens later that is not among `embeds` (NULL: isn't told). */
enum status self_contained_check(const struct mappings *mappings, const struct descriptors *descriptors,
                                 const struct files *files, const struct embeds *embeds)
        __attribute__((warn_unused_result));

/* Whether code that is in the image by its content makes calls about memory past the shim; that of files is
 * looked at when the image is thawed (format/convert/raw_calls.c). */
bool has_hidden_calls(pid_t pid, const struct mappings *mappings);

#endif
