/*
 * write(2) takes half the time of process_vm_writev(2) through a shared view of the file, which has each page
 * cleared, mapped and unmapped first (17 MiB: 6 ms and 13). But it locks the file, so it is for a few
 * workers.
 */
#include "restore/build/embedded.h"

#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

/* As mappings.c lays it out, where no pieces are. */
static uint64_t content_size(const struct snapimg_mapping *mapping)
{
	bool has_content = (mapping->flags & SNAPIMG_MAP_EMBEDDED) != 0 && mapping->run_count > 0;
	return has_content ? mapping->end - mapping->start : 0;
}

static bool find(struct embedded_cursor *cursor, uint64_t address, uint64_t *ret_offset)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	const uint32_t count = snapimg_mapping_count(&loader.image);
	if (cursor->mapping >= count || mapping[cursor->mapping].start > address)
		*cursor = (struct embedded_cursor){0, 0};
	while (cursor->mapping < count && mapping[cursor->mapping].end <= address)
		cursor->offset += content_size(&mapping[cursor->mapping++]);
	if (cursor->mapping >= count || mapping[cursor->mapping].start > address ||
	    content_size(&mapping[cursor->mapping]) == 0)
		return false;
	*ret_offset = cursor->offset + (address - mapping[cursor->mapping].start);
	return true;
}

bool embedded_write(struct embedded_cursor *cursor, const struct snapimg_extent *extent,
                    const struct snapimg_run *run, const uint8_t *bytes)
{
	int file = mappings_content();
	if (file < 0 || snapimg_piece_count(&loader.image) > 0)
		return false;
	for (uint32_t i = 0; i < extent->run_count; i++) {
		const uint64_t size = (uint64_t)run[i].pages * SNAPIMG_PAGE_SIZE;
		uint64_t offset;
		if (run[i].kind == SNAPIMG_RUN_ZERO) /* as the file is */
			continue;
		if (!find(cursor, run[i].address, &offset) ||
		    sys(__NR_pwrite64, file, bytes, size, offset) != (long)size)
			return false;
		bytes += size;
	}
	return true;
}
