/* The rules of files: what is known of each, and what the image holds of their content. */
#include "format/image/check.h"

enum { NANOSECONDS = 1000000000, TYPE_MASK = 0170000, TYPE_REGULAR = 0100000 };

enum snapimg_error snapimg_rule_file(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_file *file = snapimg_get_file(image) + index;

	if (!snapimg_string_is_valid(image, file->path))
		return SNAPIMG_ERR_STRING;
	if (snapimg_string(image, file->path)[0] != '/' ||
	    (file->check != SNAPIMG_CHECK_STAMP && file->check != SNAPIMG_CHECK_EXISTS) ||
	    file->mtime_nanoseconds >= NANOSECONDS || file->build_id_size > SNAPIMG_BUILD_ID_MAX ||
	    file->reserved_zero != 0 ||
	    !snapimg_is_zero(file->build_id + file->build_id_size,
	                     SNAPIMG_BUILD_ID_MAX - file->build_id_size))
		return SNAPIMG_ERR_FILE;
	return SNAPIMG_OK;
}

/* Sorted, one for each file at most. */
enum snapimg_error snapimg_rule_identity(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_identity *identity = snapimg_get_identity(image) + index;
	const uint32_t flags = SNAPIMG_IDENTITY_HASHED | SNAPIMG_IDENTITY_WHOLE | SNAPIMG_IDENTITY_EXCLUSIVE |
	                       SNAPIMG_IDENTITY_LIVE | SNAPIMG_IDENTITY_MADE | SNAPIMG_IDENTITY_FRESH |
	                       SNAPIMG_IDENTITY_SCRATCH;

	if (identity->file <= (index > 0 ? identity[-1].file : 0) ||
	    identity->file > snapimg_file_count(image) || (identity->flags & ~flags) != 0 ||
	    identity->ctime_nanoseconds >= NANOSECONDS || identity->reserved_zero != 0 ||
	    ((identity->flags & SNAPIMG_IDENTITY_HASHED) == 0 && identity->hash != 0))
		return SNAPIMG_ERR_FILE;
	if ((identity->flags & (SNAPIMG_IDENTITY_SCRATCH | SNAPIMG_IDENTITY_MADE)) ==
	    SNAPIMG_IDENTITY_SCRATCH)
		return SNAPIMG_ERR_FILE;
	if ((identity->flags & SNAPIMG_IDENTITY_MADE) != 0 &&
	    (snapimg_get_file(image)[identity->file - 1].mode & TYPE_MASK) != TYPE_REGULAR)
		return SNAPIMG_ERR_FILE;
	return SNAPIMG_OK;
}

static const struct snapimg_identity *find_identity(const struct snapimg *image, uint32_t file)
{
	const struct snapimg_identity *identity = snapimg_get_identity(image);
	uint32_t i;

	for (i = 0; i < snapimg_identity_count(image); i++)
		if (identity[i].file == file + 1)
			return &identity[i];
	return NULL;
}

/* In the order of their files, and in each of their places; of files that the program made. */
enum snapimg_error snapimg_rule_carried(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_content *content = snapimg_get_carried(image) + index;
	const struct snapimg_content *before = index > 0 ? content - 1 : NULL;
	const struct snapimg_identity *identity = find_identity(image, content->object);

	if (identity == NULL || (identity->flags & SNAPIMG_IDENTITY_MADE) == 0 ||
	    !snapimg_content_is_stored(image, content))
		return SNAPIMG_ERR_FILE;
	const struct snapimg_file *file = snapimg_get_file(image) + content->object;
	if (content->position > file->size || content->size > file->size - content->position ||
	    (before != NULL && before->object > content->object) ||
	    (before != NULL && before->object == content->object &&
	     content->position < before->position + before->size))
		return SNAPIMG_ERR_FILE;
	return SNAPIMG_OK;
}
