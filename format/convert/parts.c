#include "format/convert/parts.h"

#include <stdlib.h>

#include "format/base/array.h"

/*
 * The header area and the records differ from image to image, and are parts of their own. In between, a part
 * is either all that is in the image of a file that is mapped and cannot be written (code, constants), if it
 * is worth a request, or what lies between two such. That is cut where the content says so, by an extent's
 * checksum, so that a change moves no cut but its own.
 */
enum {
	FILE_LEAST = 64 << 10, /* bytes of the image */
	OTHER_LEAST = 256 << 10,
	OTHER_MOST = 4 << 20,
	CUT_MASK = 3, /* a checksum in four cuts */
};

/* Whether what is in the image of it is the file's. What stands right before a mapping of the same file that
 * can be written is what the dynamic linker has relocated, and then protected (PT_GNU_RELRO). */
static bool is_as_file(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image) + index;
	bool is_last = index + 1 == snapimg_mapping_count(image);

	return (mapping->flags & SNAPIMG_MAP_EMBEDDED) && !(mapping->protection & SNAPIMG_PROT_WRITE) &&
	       (is_last || mapping[1].file != mapping->file || !(mapping[1].protection & SNAPIMG_PROT_WRITE));
}

/* index + 1 in FILES of what all the extent's pages are of, 0: of none, or not only. */
static uint32_t file_of(const struct snapimg *image, const struct snapimg_extent *extent)
{
	const struct snapimg_run *run = snapimg_get_run(image) + extent->run_first;
	uint32_t file = 0;

	for (uint32_t i = 0; i < extent->run_count; i++) {
		uint32_t index = snapimg_mapping_after(image, run[i].address);
		uint32_t its = snapimg_get_mapping(image)[index].file;

		if (!is_as_file(image, index) || (i > 0 && its != file))
			return 0;
		file = its;
	}
	return file;
}

static bool cut(struct parts *parts, uint64_t at)
{
	if (parts->count > 0 && parts->end[parts->count - 1] == at)
		return true;
	uint64_t *end = array_add(parts->end, parts->count);

	if (end != NULL)
		*end = at;
	return end != NULL;
}

/* The extents from `first` on that are of one file. *ret_size: the bytes that they take. */
static uint32_t find_group(const struct snapimg *image, uint32_t first, uint64_t *ret_size)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	uint32_t file = file_of(image, &extent[first]), next = first;
	uint64_t size = 0;

	while (next < snapimg_extent_count(image) && (next == first || file_of(image, &extent[next]) == file))
		size += extent[next++].stored_size;
	*ret_size = file != 0 ? size : 0;
	return next;
}

/* Cuts within [first, next), which are of no file, or of small ones. */
static bool cut_others(const struct snapimg *image, struct parts *parts, uint32_t first, uint32_t next)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);

	for (uint32_t i = first; i < next; i++) {
		uint64_t size = extent[i].offset - parts->end[parts->count - 1];

		if ((size >= OTHER_MOST ||
		     (size >= OTHER_LEAST && (extent[i - 1].checksum & CUT_MASK) == 0 && i > first)) &&
		    !cut(parts, extent[i].offset))
			return false;
	}
	return true;
}

static bool cut_data(const struct snapimg *image, struct parts *parts)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	uint32_t count = snapimg_extent_count(image), i = 0, next;
	bool done = true, after_file = false;

	for (; i < count && done; i = next) {
		uint64_t size;
		bool is_file;

		next = find_group(image, i, &size);
		is_file = size >= FILE_LEAST;
		if (i > 0 && (is_file || after_file))
			done = cut(parts, extent[i].offset);
		if (!is_file)
			done = done && cut_others(image, parts, i, next);
		after_file = is_file;
	}
	return done;
}

bool parts_find(const struct snapimg *image, struct parts *ret_parts)
{
	struct parts parts = {0};

	if (cut(&parts, SNAPIMG_HEADER_AREA) && cut_data(image, &parts) &&
	    cut(&parts, image->header->metadata_offset) && cut(&parts, image->header->image_size)) {
		*ret_parts = parts;
		return true;
	}
	parts_free(&parts);
	return false;
}

void parts_free(struct parts *parts)
{
	free(parts->end);
	*parts = (struct parts){0};
}
