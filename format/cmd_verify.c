#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "commands.h"
#include "json.h"
#include "text.h"

enum { FRAME_DESCRIPTOR = 4, FRAME_HAS_CHECKSUM = 1 << 2 }; /* RFC 8878, 3.1.1.1.1 */

/* One standard frame with content size and checksum, no more and no less. */
static enum snapimg_error check_frame(const struct snapimg *image, const struct snapimg_extent *extent,
                                      ZSTD_DCtx *decoder, void *pages)
{
	const uint8_t *frame = image->base + extent->offset;
	size_t size = extent->stored_size;

	if (ZSTD_getFrameContentSize(frame, size) != extent->raw_size ||
	    ZSTD_findFrameCompressedSize(frame, size) != size ||
	    !(frame[FRAME_DESCRIPTOR] & FRAME_HAS_CHECKSUM) ||
	    ZSTD_decompressDCtx(decoder, pages, extent->raw_size, frame, size) != extent->raw_size)
		return SNAPIMG_ERR_EXTENT_FRAME;
	return SNAPIMG_OK;
}

static enum snapimg_error check_extents(struct snapimg *image)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	ZSTD_DCtx *decoder = ZSTD_createDCtx();
	void *pages = malloc(SNAPIMG_EXTENT_MAX);
	enum snapimg_error error = decoder == NULL || pages == NULL ? SNAPIMG_ERR_MEMORY : SNAPIMG_OK;
	uint32_t i;

	for (i = 0; i < snapimg_extent_count(image) && error == SNAPIMG_OK; i++) {
		image->failed_section = SNAPIMG_SECTION_EXTENTS;
		image->failed_index = i;
		error = snapimg_check_extent(image, &extent[i]);
		if (error == SNAPIMG_OK && extent[i].kind == SNAPIMG_EXTENT_ZSTD)
			error = check_frame(image, &extent[i], decoder, pages);
	}
	free(pages);
	(void)ZSTD_freeDCtx(decoder);
	return error;
}

static void put_result(const struct command_options *options, const struct snapimg *image,
                       enum snapimg_error error, const char *digest)
{
	struct json json = {.out = stdout};

	json_open(&json, NULL, '{');
	json_string(&json, "image", options->path);
	json_bool(&json, "ok", error == SNAPIMG_OK);
	if (error == SNAPIMG_OK) {
		json_number(&json, "sections", image->header->section_count);
		json_number(&json, "extents", snapimg_extent_count(image));
		json_string(&json, "digest", digest);
	} else {
		json_string(&json, "error", snapimg_strerror(error));
		if (image->failed_section != 0) {
			json_string(&json, "section", snapimg_section_name(image->failed_section));
			json_number(&json, "record", image->failed_index);
		}
	}
	json_close(&json, '}');
}

enum exit_status command_verify(const struct command_options *options)
{
	char digest[2 * SNAPIMG_DIGEST_SIZE + 1] = "";
	struct image_file file;
	enum snapimg_error error;
	enum exit_status status = image_file_open(&file, options->path, IMAGE_WHOLE, &error);

	if (status == EXIT_FINE) {
		(void)text_hex(digest, file.image.header->digest, SNAPIMG_DIGEST_SIZE);
		error = check_extents(&file.image);
		if (error != SNAPIMG_OK)
			status = complain_of_image(options->path, error, file.image.failed_section,
			                           file.image.failed_index);
	}
	if (options->json && (status == EXIT_FINE || error != SNAPIMG_OK))
		put_result(options, &file.image, error, digest);
	else if (status == EXIT_FINE) {
		text_print(stdout, options->path);
		printf(": ok: %u sections, %u %s, digest %s\n", file.image.header->section_count,
		       snapimg_extent_count(&file.image),
		       snapimg_extent_count(&file.image) == 1 ? "extent" : "extents", digest);
	}
	image_file_close(&file);
	return status;
}
