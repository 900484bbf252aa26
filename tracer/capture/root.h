/* Files that go into the image for the program to open later (--embed): the sections ROOT and ROOTDATA. */
#ifndef TRACER_CAPTURE_ROOT_H
#define TRACER_CAPTURE_ROOT_H

#include "tracer/capture/fds/objects.h"
#include "tracer/capture/snapshot.h"

struct root_file {
	char *path, *target; /* target: of a link, else NULL */
	struct snapimg_root record;
};

struct root {
	struct root_file *file; /* sorted by path */
	size_t count;
	uint64_t bytes;
};

/* Reads them all; their content goes into `objects`. */
enum status root_read(const struct embeds *embeds, struct objects *objects, struct root *ret_root)
        __attribute__((warn_unused_result));
enum snapimg_error root_write(const struct root *root, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void root_free(struct root *root);

#endif
