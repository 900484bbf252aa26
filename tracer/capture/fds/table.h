/* The target's open descriptors: inherited from the caller, opened or made again at restore, or
 * refused by name. */
#ifndef TRACER_CAPTURE_FDS_TABLE_H
#define TRACER_CAPTURE_FDS_TABLE_H

#include "tracer/capture/fds/objects.h"
#include "tracer/capture/files.h"
#include "tracer/capture/memory/shared.h"
#include "tracer/capture/snapshot.h"

struct descriptors {
	struct snapimg_descriptor *record; /* sorted by number */
	size_t count;
	struct objects objects; /* what they refer to, and locks */
};

/* Claims the shared memory that descriptors lead to. */
enum status descriptors_read(const struct snapshot_request *request, const struct remote *remote,
                             struct files *files, struct shared *shared, struct descriptors *ret_descriptors)
        __attribute__((warn_unused_result));
void descriptors_free(struct descriptors *descriptors);

#endif
