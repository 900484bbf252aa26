#include "format/convert/page_data.h"

#include <stdlib.h>
#include <zstd.h>

#include "format/base/progress.h"

#include "format/convert/decode_ahead.h"

enum snapimg_error page_data_open(struct page_data *data, struct snapimg *image)
{
	*data = (struct page_data){.image = image};
	return SNAPIMG_OK;
}

void page_data_close(struct page_data *data)
{
	decode_ahead_end(data->ahead);
	*data = (struct page_data){0};
}

void page_data_expect(struct page_data *data)
{
	if (data->ahead == NULL)
		data->ahead = decode_ahead_begin(data->image);
}

bool page_data_is_frame(const uint8_t *frame, size_t size, size_t raw_size)
{
	ZSTD_DCtx *decoder = ZSTD_createDCtx();
	uint8_t *room = malloc(SNAPIMG_EXTENT_MAX);
	bool is_frame = decoder != NULL && room != NULL && decode_frame(decoder, room, raw_size, frame, size);

	(void)ZSTD_freeDCtx(decoder);
	free(room);
	return is_frame;
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
	struct progress progress = progress_begin(progress_is_shown(), snapimg_extent_count(image));

	page_data_expect(data);
	if (data->ahead == NULL)
		return SNAPIMG_ERR_MEMORY;
	for (i = 0; i < snapimg_extent_count(image) && error == SNAPIMG_OK; i++) {
		progress_update(&progress, i);
		image->failed_section = SNAPIMG_SECTION_EXTENTS;
		image->failed_index = i;
		error = decode_ahead_take(data->ahead, i, &bytes);
		if (error == SNAPIMG_OK)
			error = visit_runs(data, &extent[i], bytes, visit, context);
	}
	progress_end(&progress);
	decode_ahead_end(data->ahead);
	data->ahead = NULL;
	return error;
}
