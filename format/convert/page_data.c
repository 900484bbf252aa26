#include "format/convert/page_data.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <zstd.h>

enum { FRAME_DESCRIPTOR = 4, FRAME_HAS_CHECKSUM = 1 << 2 }; /* RFC 8878, 3.1.1.1.1 */

/* More is decoded twice: the machine may have better things to do with so much memory. */
static const uint64_t kept_most = UINT64_C(1) << 30;

static uint64_t decoded_size(const struct snapimg *image)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	uint64_t size = 0;

	for (uint32_t i = 0; i < snapimg_extent_count(image); i++)
		if (extent[i].kind == SNAPIMG_EXTENT_ZSTD)
			size += extent[i].raw_size;
	return size;
}

static void make_room_to_keep(struct page_data *data)
{
	uint64_t size = decoded_size(data->image);
	void *memory;

	if (size == 0 || size > kept_most)
		return;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return;
	(void)madvise(memory, size, MADV_HUGEPAGE); /* a page fault can cost more than to fill the page */
	data->kept = memory;
	data->kept_size = size;
}

enum snapimg_error page_data_open(struct page_data *data, struct snapimg *image, bool keep)
{
	*data = (struct page_data){
	        .image = image, .decoder = ZSTD_createDCtx(), .room = malloc(SNAPIMG_EXTENT_MAX)};
	if (data->decoder == NULL || data->room == NULL) {
		page_data_close(data);
		return SNAPIMG_ERR_MEMORY;
	}
	if (keep)
		make_room_to_keep(data);
	return SNAPIMG_OK;
}

void page_data_close(struct page_data *data)
{
	(void)ZSTD_freeDCtx(data->decoder);
	free(data->room);
	if (data->kept != NULL)
		(void)munmap(data->kept, data->kept_size);
	*data = (struct page_data){0};
}

static bool decode_frame(struct page_data *data, uint8_t *to, const uint8_t *frame, size_t size,
                         size_t raw_size)
{
	return ZSTD_getFrameContentSize(frame, size) == raw_size &&
	       ZSTD_findFrameCompressedSize(frame, size) == size &&
	       (frame[FRAME_DESCRIPTOR] & FRAME_HAS_CHECKSUM) != 0 &&
	       ZSTD_decompressDCtx(data->decoder, to, raw_size, frame, size) == raw_size;
}

bool page_data_is_frame(struct page_data *data, const uint8_t *frame, size_t size, size_t raw_size)
{
	return decode_frame(data, data->room, frame, size, raw_size);
}

/* The extent's bytes, checked and decoded; `kept` is the place of those to keep, or NULL. */
static enum snapimg_error load(struct page_data *data, const struct snapimg_extent *extent, uint8_t *kept,
                               const uint8_t **ret_bytes)
{
	const uint8_t *stored = data->image->base + extent->offset;
	uint8_t *decoded = kept != NULL ? kept : data->room;
	bool is_frame = extent->kind == SNAPIMG_EXTENT_ZSTD;
	enum snapimg_error error = SNAPIMG_OK;

	*ret_bytes = is_frame ? decoded : stored;
	if (!data->is_checked && (error = snapimg_check_extent(data->image, extent)) != SNAPIMG_OK)
		return error;
	if (!is_frame || (data->is_checked && kept != NULL))
		return SNAPIMG_OK;
	return decode_frame(data, decoded, stored, extent->stored_size, extent->raw_size)
	               ? SNAPIMG_OK
	               : SNAPIMG_ERR_EXTENT_FRAME;
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
	uint8_t *kept = data->kept;
	const uint8_t *bytes;
	uint32_t i;

	for (i = 0; i < snapimg_extent_count(image) && error == SNAPIMG_OK; i++) {
		image->failed_section = SNAPIMG_SECTION_EXTENTS;
		image->failed_index = i;
		error = load(data, &extent[i], kept, &bytes);
		if (error == SNAPIMG_OK)
			error = visit_runs(data, &extent[i], bytes, visit, context);
		if (kept != NULL && extent[i].kind == SNAPIMG_EXTENT_ZSTD)
			kept += extent[i].raw_size;
	}
	data->is_checked = error == SNAPIMG_OK;
	return error;
}
