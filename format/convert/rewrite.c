#include "format/convert/rewrite.h"

static enum snapimg_error put_extents(const struct snapimg *image, struct snapimg_writer *writer)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	enum snapimg_error error = SNAPIMG_OK;

	for (uint32_t i = 0; i < snapimg_extent_count(image) && error == SNAPIMG_OK; i++) {
		struct snapimg_extent copy = extent[i];

		error = snapimg_writer_put_extent(writer, &copy, snapimg_get_run(image) + copy.run_first,
		                                  copy.run_count, image->base + extent[i].offset);
	}
	return error;
}

static enum snapimg_error add_section(const struct snapimg *image, enum snapimg_section_type type,
                                      struct snapimg_writer *writer)
{
	const struct snapimg_view *view = &image->section[type];

	return view->size == 0 ? SNAPIMG_OK : snapimg_writer_add(writer, type, view->bytes, view->size);
}

static enum snapimg_error rewrite(const struct snapimg *image, enum snapimg_section_type type,
                                  const void *records, size_t size, struct snapimg_writer *writer)
{
	enum snapimg_error error = snapimg_writer_copy_records(writer, image);

	snapimg_writer_clear(writer, type);
	if (error == SNAPIMG_OK)
		error = put_extents(image, writer);
	/* What the copy leaves out since it changes with the extents. */
	if (error == SNAPIMG_OK)
		error = add_section(image, SNAPIMG_SECTION_PIECES, writer);
	if (error == SNAPIMG_OK)
		error = add_section(image, SNAPIMG_SECTION_SOURCE, writer);
	if (error == SNAPIMG_OK && size > 0)
		error = snapimg_writer_add(writer, type, records, size);
	return error == SNAPIMG_OK ? snapimg_writer_finish(writer, NULL, NULL) : error;
}

enum snapimg_error snapimg_rewrite(const struct snapimg *image, enum snapimg_section_type type,
                                   const void *records, size_t size, snapimg_sink *sink, void *context)
{
	struct snapimg_writer *writer = snapimg_writer_new(sink, context);
	enum snapimg_error error = SNAPIMG_ERR_MEMORY;

	if (writer != NULL)
		error = rewrite(image, type, records, size, writer);
	snapimg_writer_free(writer);
	return error;
}
