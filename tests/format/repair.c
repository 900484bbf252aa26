#include <string.h>

#include "format/facts/checksum.h"
#include "format/image/check.h"
#include "synthetic.h"

static void repair_section(uint8_t *bytes, uint64_t size, struct snapimg_section *section)
{
	uint64_t padded = snapimg_align(section->size, SNAPIMG_ALIGNMENT);

	if (section->type == SNAPIMG_SECTION_DATA || section->offset > size || padded < section->size ||
	    padded > size - section->offset)
		return;
	section->checksum = snapimg_checksum(bytes + section->offset, padded);
}

void repair(uint8_t *bytes, uint64_t size)
{
	struct snapimg_header *header = (struct snapimg_header *)(void *)bytes;
	struct snapimg_section *table;
	uint64_t table_size;
	uint32_t i;

	if (size < SNAPIMG_HEADER_AREA)
		return;
	table_size = header->section_count * sizeof(*table);
	if (header->section_table_offset > size || header->section_table_offset % SNAPIMG_ALIGNMENT != 0 ||
	    table_size > size - header->section_table_offset)
		return;
	table = (struct snapimg_section *)(void *)(bytes + header->section_table_offset);
	for (i = 0; i < header->section_count; i++)
		repair_section(bytes, header->section_table_offset, &table[i]);
	snapimg_digest(bytes, table, table_size, header->digest);
}
