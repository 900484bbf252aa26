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

/* A process whose descriptors are read. */
struct descriptors_request {
	const struct snapshot_request *snapshot;
	const struct remote *remote;
	struct files *files;
	struct shared *shared;
	struct descriptors *result; /* empty before; the caller's to free */
	bool shares;                /* its descriptors are its parent's, and in that one's image */
};

/* Of a process, or at once of all of a tree: what belongs to several, and all that is not tied to its
 * process, is then among the objects of the first. Claims the shared memory that descriptors lead to. */
enum status descriptors_read(const struct descriptors_request *process, size_t count)
        __attribute__((warn_unused_result));
void descriptors_free(struct descriptors *descriptors);

/* The object that is the slave of the pseudoterminal with this number (proc(5), tty_nr): its index + 1, or 0.
 */
uint32_t terminal_object(const struct objects *objects, uint64_t device);

#endif
