/* Hashes of files that several processes of a tree have: each is read once. */
#ifndef TRACER_CAPTURE_KNOWN_HASHES_H
#define TRACER_CAPTURE_KNOWN_HASHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/capture/files.h"
#include "tracer/capture/memory/mappings.h"

struct known_hash;
struct known_hashes {
	struct known_hash *items;
	size_t count;
};

/* Fills in the file's identity if another process has the same file, as it is, and the same parts of it
 * mapped, or if both count as a whole. False: it's not known. */
bool known_hashes_find(const struct known_hashes *known, struct file *file, uint32_t index,
                       const struct mappings *mappings, bool as_a_whole);
/* Keeps what was found out; what can't be kept is found out again. */
void known_hashes_keep(struct known_hashes *known, const struct file *file, uint32_t index,
                       const struct mappings *mappings, bool as_a_whole);
void known_hashes_free(struct known_hashes *known);

#endif
