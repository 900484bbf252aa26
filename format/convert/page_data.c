#include "format/convert/page_data.h"

#include <stdlib.h>
#include <zstd.h>

enum { FRAME_DESCRIPTOR = 4, FRAME_HAS_CHECKSUM = 1 << 2 }; /* RFC 8878, 3.1.1.1.1 */

enum snapimg_error page_data_open(struct page_data *data, struct snapimg *image)
{
	*data = (struct page_data){
	        .image = image, .decoder = ZSTD_createDCtx(), .room = malloc(SNAPIMG_EXTENT_MAX)};
	if (data->decoder == NULL || data->room == NULL) {
		page_data_close(data);
		return SNAPIMG_ERR_MEMORY;
	}
	return SNAPIMG_OK;
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

/* The extent's bytes, checked and decoded. */
static enum snapimg_error load(struct page_data *data, const struct snapimg_extent *extent,
                               const uint8_t **ret_bytes)
{
	const uint8_t *stored = data->image->base + extent->offset;
	bool is_frame = extent->kind == SNAPIMG_EXTENT_ZSTD;
	enum snapimg_error error = snapimg_check_extent(data->image, extent);

	*ret_bytes = is_frame ? data->room : stored;
	if (error == SNAPIMG_OK && is_frame &&
	    !page_data_is_frame(data, stored, extent->stored_size, extent->raw_size))
		error = SNAPIMG_ERR_EXTENT_FRAME;
	return error;
}

static enum snapimg_error visit_runs(const struct page_data *data, const struct snapimg_extent *extent,
                                     const uint8_t *bytes, page_visitor *visit, void *context)
{
	const struct snapimg_run *run = snapimg_get_run(data->image) + extent->run_first;
	const uint8_t *next = bytes;
	enum snapimg_error error = SNAPIMG_OK;
	uint32_t i;

	for (i = 0; i < extent->run_count && error == SNAPIMG_OK; i++) {
		if (extent->kind == SNAPIMG_EXTENT_MAPPED)
			next = bytes + (run[i].address - run[0].address);
		error = visit(context, &run[i], run[i].kind == SNAPIMG_RUN_DATA ? next : NULL);
		if (run[i].kind == SNAPIMG_RUN_DATA)
			next += (size_t)run[i].pages * SNAPIMG_PAGE_SIZE;
	}
	return error;
}

enum snapimg_error page_data_visit(struct page_data *data, page_visitor *visit, void *context)
{
	struct snapimg *image = data->image;
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	enum snapimg_error error = SNAPIMG_OK;
	const uint8_t *bytes;
	uint32_t i;

	for (i = 0; i < snapimg_extent_count(image) && error == SNAPIMG_OK; i++) {
		image->failed_section = SNAPIMG_SECTION_EXTENTS;
		image->failed_index = i;
		error = load(data, &extent[i], &bytes);
		if (error == SNAPIMG_OK)
			error = visit_runs(data, &extent[i], bytes, visit, context);
	}
	return error;
}
