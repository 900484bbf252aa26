#include "tracer/capture/known_hashes.h"

#include <stdlib.h>
#include <string.h>

#include "format/base/array.h"
#include "format/facts/checksum.h"

/* What must be the same for a hash to be. */
struct key {
	uint64_t device, inode, size;
	int64_t modified, changed; /* seconds */
	uint32_t modified_rest, changed_rest;
	uint64_t parts; /* of those that are mapped, in their order; 0: the whole file */
};

struct known_hash {
	struct key key;
	uint64_t hash;
	uint32_t flags;
};

enum { FOUND_OUT = SNAPIMG_IDENTITY_HASHED | SNAPIMG_IDENTITY_WHOLE };

static uint64_t mapped_parts(const struct mappings *mappings, uint32_t index)
{
	uint64_t parts = 0;

	for (size_t i = 0; i < mappings->count; i++) {
		const struct snapimg_mapping *record = &mappings->mapping[i].record;
		const uint64_t part[] = {parts, record->offset, record->end - record->start};

		if (record->kind == SNAPIMG_MAPPING_FILE && record->file == index + 1)
			parts = snapimg_checksum(part, sizeof(part));
	}
	return parts;
}

static struct key key_of(const struct file *file, uint32_t index, const struct mappings *mappings,
                         bool as_a_whole)
{
	const struct snapimg_file *record = &file->record;

	return (struct key){
	        .device = record->device,
	        .inode = record->inode,
	        .size = record->size,
	        .modified = record->mtime_seconds,
	        .modified_rest = record->mtime_nanoseconds,
	        .changed = file->identity.ctime_seconds,
	        .changed_rest = file->identity.ctime_nanoseconds,
	        .parts = as_a_whole ? 0 : mapped_parts(mappings, index),
	};
}

/* Its times tell of each change but the last ones, or of none where it is in memory. */
static bool may_be_kept(const struct file *file)
{
	return !(file->identity.flags & SNAPIMG_IDENTITY_FRESH);
}

bool known_hashes_find(const struct known_hashes *known, struct file *file, uint32_t index,
                       const struct mappings *mappings, bool as_a_whole)
{
	const struct key key = key_of(file, index, mappings, as_a_whole);

	for (size_t i = 0; i < known->count && may_be_kept(file); i++) {
		const struct known_hash *found = &known->items[i];

		if (memcmp(&found->key, &key, sizeof(key)) != 0)
			continue;
		file->identity.hash = found->hash;
		file->identity.flags |= found->flags;
		return true;
	}
	return false;
}

void known_hashes_keep(struct known_hashes *known, const struct file *file, uint32_t index,
                       const struct mappings *mappings, bool as_a_whole)
{
	struct known_hash *added;

	if (!may_be_kept(file) || !(file->identity.flags & SNAPIMG_IDENTITY_HASHED) ||
	    !(added = array_add(known->items, known->count)))
		return;
	*added = (struct known_hash){key_of(file, index, mappings, as_a_whole), file->identity.hash,
	                             file->identity.flags & FOUND_OUT};
}

void known_hashes_free(struct known_hashes *known)
{
	free(known->items);
	*known = (struct known_hashes){0};
}
