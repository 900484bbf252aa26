#include "format/convert/thaw.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/base/compressor.h"
#include "format/convert/page_data.h"
#include "format/convert/repack.h"
#include "format/convert/thaw_plan.h"
#include "format/facts/bootid.h"

enum { LEVEL = 12 }; /* where the image does not tell the one that it was made with */

static enum snapimg_error thaw(struct snapimg *image, const struct snapimg_unsynced *unsynced,
                               snapimg_sink *sink, void *context)
{
	struct thaw_plan plan = {0};
	const struct repack_options how = {.plan = &plan, .unsynced = unsynced};
	struct page_data data;
	enum snapimg_error error = page_data_open(&data, image);

	if (error == SNAPIMG_OK)
		page_data_expect(&data);
	if (error == SNAPIMG_OK)
		error = thaw_plan_make(image, &plan);
	if (error == SNAPIMG_OK)
		error = repack(&data, &how, sink, context);
	thaw_plan_free(&plan);
	page_data_close(&data);
	return error;
}

enum snapimg_error image_thaw(struct snapimg *image, snapimg_sink *sink, void *context)
{
	return thaw(image, NULL, sink, context);
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

enum snapimg_error image_thaw_unsynced(struct snapimg *image, snapimg_sink *sink, void *context)
{
	struct snapimg_unsynced unsynced = {0};

	return get_boot(&unsynced) ? thaw(image, &unsynced, sink, context) : SNAPIMG_ERR_SINK;
}

enum snapimg_error image_freeze(struct snapimg *image, snapimg_sink *sink, void *context)
{
	struct repack_options how = {.compress = true, .codec = CODEC_ZSTD, .level = LEVEL};
	struct page_data data;
	enum snapimg_error error = page_data_open(&data, image);

	/* As snaptrace wrote it. */
	(void)codec_read(snapimg_string(image, snapimg_get_origin(image)->codec), &how.codec, &how.level);
	if (error == SNAPIMG_OK)
		error = repack(&data, &how, sink, context);
	page_data_close(&data);
	return error;
}
