#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "commands.h"
#include "json.h"
#include "text.h"

enum { FRAME_DESCRIPTOR = 4, FRAME_HAS_CHECKSUM = 1 << 2 }; /* RFC 8878, 3.1.1.1.1 */

/* One standard frame with content size and checksum, no more and no less. */
static bool is_frame(const uint8_t *frame, size_t size, size_t raw_size, ZSTD_DCtx *decoder, void *pages)
{
	return ZSTD_getFrameContentSize(frame, size) == raw_size &&
	       ZSTD_findFrameCompressedSize(frame, size) == size &&
	       (frame[FRAME_DESCRIPTOR] & FRAME_HAS_CHECKSUM) != 0 &&
	       ZSTD_decompressDCtx(decoder, pages, raw_size, frame, size) == raw_size;
}

static enum snapimg_error check_extents(struct snapimg *image, ZSTD_DCtx *decoder, void *pages)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	enum snapimg_error error = SNAPIMG_OK;
	uint32_t i;

	for (i = 0; i < snapimg_extent_count(image) && error == SNAPIMG_OK; i++) {
		image->failed_section = SNAPIMG_SECTION_EXTENTS;
		image->failed_index = i;
		error = snapimg_check_extent(image, &extent[i]);
		if (error == SNAPIMG_OK && extent[i].kind == SNAPIMG_EXTENT_ZSTD &&
		    !is_frame(image->base + extent[i].offset, extent[i].stored_size, extent[i].raw_size,
		              decoder, pages))
			error = SNAPIMG_ERR_EXTENT_FRAME;
	}
	return error;
}

static enum snapimg_error check_contents(struct snapimg *image, ZSTD_DCtx *decoder, void *pages)
{
	const struct snapimg_content *content = snapimg_get_content(image);
	const uint8_t *bytes = image->section[SNAPIMG_SECTION_BYTES].bytes;
	uint32_t i;

	for (i = 0; i < snapimg_content_count(image); i++) {
		image->failed_section = SNAPIMG_SECTION_CONTENTS;
		image->failed_index = i;
		if (content[i].stored_size != 0 &&
		    !is_frame(bytes + content[i].offset, content[i].stored_size, content[i].size, decoder,
		              pages))
			return SNAPIMG_ERR_EXTENT_FRAME;
	}
	return SNAPIMG_OK;
}

static enum snapimg_error check_data(struct snapimg *image)
{
	ZSTD_DCtx *decoder = ZSTD_createDCtx();
	void *pages = malloc(SNAPIMG_EXTENT_MAX);
	enum snapimg_error error = SNAPIMG_ERR_MEMORY;

	if (decoder != NULL && pages != NULL && (error = check_extents(image, decoder, pages)) == SNAPIMG_OK)
		error = check_contents(image, decoder, pages);
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
		error = check_data(&file.image);
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
