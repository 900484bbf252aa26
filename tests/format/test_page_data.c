/* The pages of an image are visited as often as one likes, and checked and decoded each time. */
#include <string.h>

#include "../check.h"
#include "format/convert/page_data.h"
#include "format/facts/checksum.h"
#include "synthetic.h"

/* All runs with their pages. */
struct sum {
	uint64_t pages, hash;
};

static enum snapimg_error add(void *context, const struct snapimg_run *run, const uint8_t *pages)
{
	struct sum *sum = context;

	sum->hash ^= snapimg_checksum(run, sizeof(*run));
	if (pages != NULL) {
		sum->hash += snapimg_checksum(pages, (size_t)run->pages * SNAPIMG_PAGE_SIZE);
		sum->pages += run->pages;
	}
	return SNAPIMG_OK;
}

static bool has_frames(const struct snapimg *image)
{
	for (uint32_t i = 0; i < snapimg_extent_count(image); i++)
		if (snapimg_get_extent(image)[i].kind == SNAPIMG_EXTENT_ZSTD)
			return true;
	return false;
}

/* Overwrites what the frames were: who decodes again finds nothing. */
static void forget_frames(const struct snapimg *image, uint8_t *bytes)
{
	for (uint32_t i = 0; i < snapimg_extent_count(image); i++) {
		const struct snapimg_extent *extent = snapimg_get_extent(image) + i;

		if (extent->kind == SNAPIMG_EXTENT_ZSTD)
			memset(bytes + extent->offset, 0xff, extent->stored_size);
	}
}

static void test_visited(void)
{
	struct memory_image bytes = {0};
	struct sum first = {0}, second = {0};
	struct page_data data;
	struct snapimg image;

	EXPECT(synthetic_image(&bytes, NULL) == SNAPIMG_OK);
	EXPECT(snapimg_open(bytes.bytes, bytes.size, &image) == SNAPIMG_OK && has_frames(&image));
	EXPECT(page_data_open(&data, &image) == SNAPIMG_OK);
	EXPECT(page_data_visit(&data, add, &first) == SNAPIMG_OK && first.pages > 0);
	EXPECT(page_data_visit(&data, add, &second) == SNAPIMG_OK && second.hash == first.hash);
	page_data_close(&data);
	memory_free(&bytes);
}

/* What is damaged is told by each visit, with its place. */
static void test_damaged(void)
{
	struct memory_image bytes = {0};
	struct page_data data;
	struct snapimg image;
	struct sum sum = {0};

	EXPECT(synthetic_image(&bytes, NULL) == SNAPIMG_OK);
	EXPECT(snapimg_open(bytes.bytes, bytes.size, &image) == SNAPIMG_OK);
	forget_frames(&image, bytes.bytes);
	EXPECT(page_data_open(&data, &image) == SNAPIMG_OK);
	for (int i = 0; i < 2; i++) {
		EXPECT(page_data_visit(&data, add, &sum) == SNAPIMG_ERR_EXTENT_CHECKSUM);
		EXPECT(image.failed_section == SNAPIMG_SECTION_EXTENTS &&
		       snapimg_get_extent(&image)[image.failed_index].kind == SNAPIMG_EXTENT_ZSTD);
	}
	page_data_close(&data);
	memory_free(&bytes);
}

int main(void)
{
	test_visited();
	test_damaged();
	return check_result();
}
