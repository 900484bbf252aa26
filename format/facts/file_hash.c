#include "format/facts/file_hash.h"

#include "format/facts/checksum.h"

static bool add_range(const struct file_hash_source *source, XXH3_state_t *state, uint64_t start,
                      uint64_t end)
{
	while (start < end) {
		size_t size = end - start < source->room_size ? (size_t)(end - start) : source->room_size;
		long got = source->read(source->file, source->room, size, start);

		if (got <= 0)
			return false;
		(void)XXH3_64bits_update(state, source->room, (size_t)got);
		start += (uint64_t)got;
	}
	return true;
}

bool snapimg_hash_file(const struct file_hash_source *source, uint64_t *ret_hash)
{
	XXH3_state_t state;

	XXH3_INITSTATE(&state);
	(void)XXH3_64bits_reset(&state);
	if (!add_range(source, &state, 0, source->size))
		return false;
	*ret_hash = XXH3_64bits_digest(&state);
	return true;
}

bool snapimg_hash_mapped(const struct file_hash_source *source, const struct file_hash_mappings *mappings,
                         uint32_t index, uint64_t *ret_hash)
{
	XXH3_state_t state;
	size_t i;

	XXH3_INITSTATE(&state);
	(void)XXH3_64bits_reset(&state);
	for (i = 0; i < mappings->count; i++) {
		const struct snapimg_mapping *record =
		        (const void *)((const uint8_t *)mappings->first + i * mappings->stride);
		uint64_t end = record->offset + (record->end - record->start);

		if (record->kind != SNAPIMG_MAPPING_FILE || record->file != index + 1)
			continue;
		if (!add_range(source, &state, record->offset, end < source->size ? end : source->size))
			return false;
	}
	*ret_hash = XXH3_64bits_digest(&state);
	return true;
}
