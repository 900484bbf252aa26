/* The hash of a file that IDENTITIES holds (FORMAT.md). The file is read by the caller. */
#ifndef FORMAT_FACTS_FILE_HASH_H
#define FORMAT_FACTS_FILE_HASH_H

#include <stdbool.h>
#include <stddef.h>

#include "format/image/layout.h"

/* Reads up to `size` bytes at `offset`, as pread(2) does: their number, 0 at the end, or a negative error. */
typedef long file_hash_reader(void *file, void *to, size_t size, uint64_t offset);

struct file_hash_source {
	file_hash_reader *read;
	void *file;
	uint64_t size; /* of the file, as recorded */
	uint8_t *room; /* what is read at once */
	size_t room_size;
};

/* The mappings of an image, which may be part of larger records. */
struct file_hash_mappings {
	const struct snapimg_mapping *first;
	size_t count, stride; /* stride: bytes from one to the next */
};

/* Of the whole file. False: not all of it could be read. */
bool snapimg_hash_file(const struct file_hash_source *source, uint64_t *ret_hash);
/* Of what the mappings show of file `index`, in their order, each up to the file's end. */
bool snapimg_hash_mapped(const struct file_hash_source *source, const struct file_hash_mappings *mappings,
                         uint32_t index, uint64_t *ret_hash);

#endif
