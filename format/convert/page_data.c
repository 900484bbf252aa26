#include "format/convert/page_data.h"

#include <stdlib.h>
#include <zstd.h>

enum { FRAME_DESCRIPTOR = 4, FRAME_HAS_CHECKSUM = 1 << 2 }; /* RFC 8878, 3.1.1.1.1 */

enum snapimg_error page_data_open(struct page_data *data, const struct snapimg *image)
{
	*data = (struct page_data){
	        .image = image, .decoder = ZSTD_createDCtx(), .room = malloc(SNAPIMG_EXTENT_MAX)};
	if (data->decoder != NULL && data->room != NULL)
		return SNAPIMG_OK;
	page_data_close(data);
	return SNAPIMG_ERR_MEMORY;
}

void page_data_close(struct page_data *data)
{
	(void)ZSTD_freeDCtx(data->decoder);
	free(data->room);
	*data = (struct page_data){0};
}

bool page_data_is_frame(struct page_data *data, const uint8_t *frame, size_t size, size_t raw_size)
{
	return ZSTD_getFrameContentSize(frame, size) == raw_size &&
	       ZSTD_findFrameCompressedSize(frame, size) == size &&
	       (frame[FRAME_DESCRIPTOR] & FRAME_HAS_CHECKSUM) != 0 &&
	       ZSTD_decompressDCtx(data->decoder, data->room, raw_size, frame, size) == raw_size;
}

static enum snapimg_error decode(struct page_data *data, const struct snapimg_extent *extent)
{
	if (!page_data_is_frame(data, data->image->base + extent->offset, extent->stored_size,
	                        extent->raw_size))
		return SNAPIMG_ERR_EXTENT_FRAME;
	data->bytes = data->room;
	return SNAPIMG_OK;
}

enum snapimg_error page_data_load(struct page_data *data, const struct snapimg_extent *extent)
{
	enum snapimg_error error = snapimg_check_extent(data->image, extent);

	data->extent = extent;
	data->bytes = data->image->base + extent->offset;
	if (error == SNAPIMG_OK && extent->kind == SNAPIMG_EXTENT_ZSTD)
		error = decode(data, extent);
	return error;
}

static enum snapimg_error visit_runs(const struct page_data *data, page_visitor *visit, void *context)
{
	const struct snapimg_extent *extent = data->extent;
	const struct snapimg_run *run = snapimg_get_run(data->image) + extent->run_first;
	const uint8_t *next = data->bytes;
	enum snapimg_error error = SNAPIMG_OK;
	uint32_t i;

	for (i = 0; i < extent->run_count && error == SNAPIMG_OK; i++) {
		if (extent->kind == SNAPIMG_EXTENT_MAPPED)
			next = data->bytes + (run[i].address - run[0].address);
		error = visit(context, &run[i], run[i].kind == SNAPIMG_RUN_DATA ? next : NULL);
		if (run[i].kind == SNAPIMG_RUN_DATA)
			next += (size_t)run[i].pages * SNAPIMG_PAGE_SIZE;
	}
	return error;
}

enum snapimg_error page_data_visit(struct snapimg *image, page_visitor *visit, void *context)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	struct page_data data;
	enum snapimg_error error = page_data_open(&data, image);
	uint32_t i;

	for (i = 0; i < snapimg_extent_count(image) && error == SNAPIMG_OK; i++) {
		image->failed_section = SNAPIMG_SECTION_EXTENTS;
		image->failed_index = i;
		error = page_data_load(&data, &extent[i]);
		if (error == SNAPIMG_OK)
			error = visit_runs(&data, visit, context);
	}
	page_data_close(&data);
	return error;
}
