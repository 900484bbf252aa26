/* The places in memory that the loader writes: resume blocks, cached thread ids, C's environ. */
#ifndef TRACER_CAPTURE_PROCESS_RESUME_BLOCKS_H
#define TRACER_CAPTURE_PROCESS_RESUME_BLOCKS_H

#include "tracer/capture/files.h"

/* A loaded ELF file: the mapping of its first byte, and where the last of its segments ends. A small file
 * may have that first page mapped once more, for a later segment. */
struct loaded_file {
	const struct file *file;
	uint64_t start, end;
};

struct fixups {
	struct snapimg_fixup *record;
	size_t count;
};

/* The struct snap_resume blocks of one file, found by its section headers. Sets loaded->end. A file that
 * can't be read or has none adds nothing; blocks of another protocol version are refused. */
enum status fixups_add_resume_blocks(struct fixups *fixups, pid_t pid, struct loaded_file *loaded)
        __attribute__((warn_unused_result));
/* The shim's table of mapped memory. Found only where the program's C library is one that it works with; size
 * stays 0 otherwise. */
void fixups_find_shim_table(pid_t pid, const struct loaded_file *shim, struct snapimg_shim *ret_record);
/* Where the C library keeps the id of the thread with this index. */
enum status fixups_add_thread_id(struct fixups *fixups, pid_t pid, const struct snapimg_thread *thread,
                                 uint32_t index) __attribute__((warn_unused_result));
enum status fixups_add(struct fixups *fixups, struct snapimg_fixup record)
        __attribute__((warn_unused_result));
void fixups_free(struct fixups *fixups);

#endif
