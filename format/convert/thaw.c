#include "format/convert/thaw.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/base/compressor.h"
#include "format/convert/decode_into.h"
#include "format/convert/page_data.h"
#include "format/convert/repack.h"
#include "format/convert/thaw_plan.h"
#include "format/facts/bootid.h"

enum { LEVEL = 12 }; /* where the image does not tell the one that it was made with */

static enum snapimg_error thaw(struct snapimg *image, struct repack_options how, snapimg_sink *sink,
                               void *context, int *ret_number)
{
	struct thaw_plan plan = {0};
	struct page_data data;
	enum snapimg_error error = page_data_open(&data, image);

	how.plan = &plan;
	if (error == SNAPIMG_OK && how.into == NULL)
		page_data_expect(&data);
	if (error == SNAPIMG_OK)
		error = thaw_plan_make(image, &plan);
	if (error == SNAPIMG_OK)
		error = repack(&data, &how, sink, context, ret_number);
	thaw_plan_free(&plan);
	page_data_close(&data);
	return error;
}

enum snapimg_error image_thaw(struct snapimg *image, snapimg_sink *sink, void *context)
{
	return thaw(image, (struct repack_options){0}, sink, context, NULL);
}

static bool get_boot(struct snapimg_unsynced *ret_unsynced)
{
	char text[64];
	int descriptor = open(SNAPIMG_BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
	ssize_t size = descriptor < 0 ? 0 : read(descriptor, text, sizeof(text));

	if (descriptor >= 0)
		(void)close(descriptor);
	return size > 0 && snapimg_boot_id(text, (size_t)size, ret_unsynced->boot_id);
}

bool image_thaw_needs_data(const struct snapimg *image)
{
	return !repack_can_decode_into(image);
}

enum snapimg_error image_thaw_into(struct image_file *file, struct output_file *output, bool unsynced)
{
	struct decode_into into = {.from = file, .to = output->descriptor};
	struct snapimg_unsynced boot = {0};
	struct repack_options how = {.unsynced = unsynced ? &boot : NULL,
	                             .into = image_thaw_needs_data(&file->image) ? NULL : &into};
	int number = 0;

	if (unsynced && !get_boot(&boot))
		return SNAPIMG_ERR_SINK;
	enum snapimg_error error = thaw(&file->image, how, output_file_sink, output, &number);
	if (error == SNAPIMG_ERR_SINK && output->error == 0)
		output->error = number;
	return error;
}

enum snapimg_error image_freeze(struct snapimg *image, snapimg_sink *sink, void *context)
{
	struct repack_options how = {.compress = true, .codec = CODEC_ZSTD, .level = LEVEL};
	struct page_data data;
	enum snapimg_error error = page_data_open(&data, image);

	/* As snaptrace wrote it. */
	(void)codec_read(snapimg_string(image, snapimg_get_origin(image)->codec), &how.codec, &how.level);
	if (error == SNAPIMG_OK)
		error = repack(&data, &how, sink, context, NULL);
	page_data_close(&data);
	return error;
}
