/* From the kernel's mappings to those of an image: what each is, and which can't be carried. */
#ifndef TRACER_CAPTURE_MEMORY_MAPPINGS_H
#define TRACER_CAPTURE_MEMORY_MAPPINGS_H

#include "tracer/capture/files.h"
#include "tracer/capture/process/resume_blocks.h"
#include "tracer/capture/snapshot.h"

/* A mapping as the image has it, and where it came from. */
struct mapping {
	struct snapimg_mapping record; /* file is set; name when it's written */
	const struct vma *vma;
	bool by_content; /* of a file that is gone, or of the shim: every page is kept */
	bool of_shim;
	bool of_object;                     /* shared memory without a file: shared.h */
	bool not_stored;                    /* comes back zero: wipe-on-fork, droppable */
	const struct shared_memory *memory; /* whose content its pages are; NULL: their own */
};

struct mappings {
	struct mapping *mapping;
	size_t count, room;
	uint64_t file_bytes;    /* present, and left to their files */
	const struct vma *vdso; /* NULL: none */
};

/* Refuses by name what can't be carried. The result borrows maps. */
enum status mappings_read(const struct snapshot_request *request, const struct maps *maps,
                          struct files *files, struct mappings *ret_mappings)
        __attribute__((warn_unused_result));
/* And the shim's table of mapped memory; its size stays 0 without one. */
enum status mappings_find_resume_blocks(const struct mappings *mappings, pid_t pid, const struct files *files,
                                        struct fixups *fixups, struct snapimg_shim *shim)
        __attribute__((warn_unused_result));
enum snapimg_error mappings_write(const struct mappings *mappings, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
enum status refuse_mapping(pid_t pid, const struct vma *vma, const char *what, const char *advice)
        __attribute__((cold));
/* The mapping that is an asynchronous I/O context (io_setup(2)). */
bool is_aio_ring(const struct vma *vma);
void mappings_free(struct mappings *mappings);

#endif
