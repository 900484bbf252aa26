#include <stdlib.h>
#include <string.h>

#include "format/facts/checksum.h"
#include "synthetic.h"

enum { PAGE = SNAPIMG_PAGE_SIZE };

static const struct snapimg_run runs[] = {
        {0x404000, 1, SNAPIMG_RUN_DATA},
        {0x10000000, 2, SNAPIMG_RUN_DATA},
        {0x10004000, 1, SNAPIMG_RUN_DATA},
        {0x10008000, 1, SNAPIMG_RUN_DATA},
        {0x31000000, 1, SNAPIMG_RUN_DATA},
        {0x31001000, 1, SNAPIMG_RUN_ZERO},
        {SYNTHETIC_TASK_SIZE - 0x2000, 1, SNAPIMG_RUN_DATA},
};

/* Two pieces: one with a gap in an extent and one between extents, one that ends with zeros. */
static const struct {
	uint32_t kind, run_first, run_count;
	uint64_t page;  /* in the file */
	uint32_t pages; /* stored */
} extents[] = {
        {SNAPIMG_EXTENT_RAW, 0, 1, 1, 1},     {SNAPIMG_EXTENT_MAPPED, 1, 2, 2, 5},
        {SNAPIMG_EXTENT_MAPPED, 3, 1, 10, 1}, {SNAPIMG_EXTENT_MAPPED, 4, 2, 11, 2},
        {SNAPIMG_EXTENT_RAW, 6, 1, 13, 1},
};
static const struct snapimg_piece pieces[] = {
        {.start = 0x10000000,
         .end = 0x10009000,
         .offset = 2 * PAGE,
         .mapping = 2,
         .run_first = 1,
         .run_count = 3},
        {.start = 0x31000000,
         .end = 0x31002000,
         .offset = 11 * PAGE,
         .mapping = 5,
         .run_first = 4,
         .run_count = 2},
};

static void put_extent(struct snapimg_writer *writer, size_t index)
{
	static uint8_t bytes[8 * PAGE];
	const struct snapimg_run *run = runs + extents[index].run_first;
	struct snapimg_extent extent = {.kind = extents[index].kind,
	                                .offset = extents[index].page * PAGE,
	                                .stored_size = extents[index].pages * PAGE};
	uint32_t i;

	memset(bytes, 0, sizeof(bytes));
	for (i = 0; i < extents[index].run_count; i++) {
		if (run[i].kind != SNAPIMG_RUN_DATA)
			continue;
		memset(bytes + (run[i].address - run[0].address), 0x11 + (int)i, (size_t)run[i].pages * PAGE);
		extent.raw_size += run[i].pages * PAGE;
	}
	extent.checksum = snapimg_checksum(bytes, extent.stored_size);
	(void)!snapimg_writer_put_extent(writer, &extent, run, extents[index].run_count, bytes);
}

static enum snapimg_error put_all(struct snapimg_writer *writer, const struct snapimg *image)
{
	static const struct snapimg_hot hot[] = {{0x10000000, 2, SNAPIMG_HOT_WRITTEN},
	                                         {0x31000000, 1, SNAPIMG_HOT_READ}};
	static const struct snapimg_shim shim = {0x10000900, 32, SNAPIMG_SHIM_VERSION};
	static const struct snapimg_source source = {"fifteen letters"};
	size_t i;

	(void)!snapimg_writer_copy_records(writer, image);
	for (i = 0; i < sizeof(extents) / sizeof(*extents); i++)
		put_extent(writer, i);
	(void)!snapimg_writer_add(writer, SNAPIMG_SECTION_PIECES, pieces, sizeof(pieces));
	(void)!snapimg_writer_add(writer, SNAPIMG_SECTION_HOT, hot, sizeof(hot));
	(void)!snapimg_writer_add(writer, SNAPIMG_SECTION_SHIM, &shim, sizeof(shim));
	(void)!snapimg_writer_add(writer, SNAPIMG_SECTION_SOURCE, &source, sizeof(source));
	return snapimg_writer_finish(writer, NULL, NULL);
}

enum snapimg_error synthetic_thawed(struct memory_image *ret_image)
{
	struct memory_image frozen = {0}, thawed = {0};
	struct snapimg image;
	struct snapimg_writer *writer = snapimg_writer_new(memory_sink, &thawed);
	enum snapimg_error error = synthetic_image(&frozen, NULL);

	if (error == SNAPIMG_OK)
		error = snapimg_open(frozen.bytes, frozen.size, &image);
	if (error == SNAPIMG_OK)
		error = put_all(writer, &image);
	snapimg_writer_free(writer);
	memory_free(&frozen);
	if (error == SNAPIMG_OK)
		*ret_image = thawed;
	else
		memory_free(&thawed);
	return error;
}
