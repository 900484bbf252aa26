#include "format/convert/thaw.h"

#include <stdlib.h>
#include <string.h>

#include "format/base/compressor.h"
#include "format/convert/page_data.h"
#include "format/convert/repack.h"
#include "format/convert/thaw_plan.h"

enum { LEVEL = 12 }; /* where the image does not tell the one that it was made with */

/* "zstd -N", as snaptrace wrote it. */
static int level_of(const struct snapimg *image)
{
	const char *codec = snapimg_string(image, snapimg_get_origin(image)->codec);
	long level = strncmp(codec, "zstd -", 6) == 0 ? strtol(codec + 6, NULL, 10) : LEVEL;

	return compressor_has_level(level) ? (int)level : LEVEL;
}

enum snapimg_error image_thaw(struct snapimg *image, snapimg_sink *sink, void *context)
{
	struct thaw_plan plan = {0};
	const struct repack_options how = {.plan = &plan};
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

enum snapimg_error image_freeze(struct snapimg *image, snapimg_sink *sink, void *context)
{
	const struct repack_options how = {.compress = true, .level = level_of(image)};
	struct page_data data;
	enum snapimg_error error = page_data_open(&data, image);

	if (error == SNAPIMG_OK)
		error = repack(&data, &how, sink, context);
	page_data_close(&data);
	return error;
}
