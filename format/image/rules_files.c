/* The rules of files: what is known of each, and what the image holds of their content. */
#include "format/image/check.h"

enum { NANOSECONDS = 1000000000, TYPE_MASK = 0170000, TYPE_REGULAR = 0100000, TYPE_DIRECTORY = 0040000 };

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
static bool can_be_made(const struct snapimg_file *file)
{
	uint32_t type = file->mode & TYPE_MASK;

	return type == TYPE_REGULAR || (type == TYPE_DIRECTORY && file->check == SNAPIMG_CHECK_EXISTS);
}

enum snapimg_error snapimg_rule_identity(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_identity *identity = snapimg_get_identity(image) + index;
	const uint32_t flags = SNAPIMG_IDENTITY_HASHED | SNAPIMG_IDENTITY_WHOLE | SNAPIMG_IDENTITY_EXCLUSIVE |
	                       SNAPIMG_IDENTITY_LIVE | SNAPIMG_IDENTITY_MADE | SNAPIMG_IDENTITY_FRESH |
	                       SNAPIMG_IDENTITY_SCRATCH | SNAPIMG_IDENTITY_NAMED | SNAPIMG_IDENTITY_ANOTHERS;

	if (identity->file <= (index > 0 ? identity[-1].file : 0) ||
	    identity->file > snapimg_file_count(image) || (identity->flags & ~flags) != 0 ||
	    identity->ctime_nanoseconds >= NANOSECONDS || identity->reserved_zero != 0 ||
	    ((identity->flags & SNAPIMG_IDENTITY_HASHED) == 0 && identity->hash != 0))
		return SNAPIMG_ERR_FILE;
	if ((identity->flags & (SNAPIMG_IDENTITY_SCRATCH | SNAPIMG_IDENTITY_MADE)) ==
	    SNAPIMG_IDENTITY_SCRATCH)
		return SNAPIMG_ERR_FILE;
	if ((identity->flags & SNAPIMG_IDENTITY_ANOTHERS) != 0 &&
	    ((identity->flags & SNAPIMG_IDENTITY_MADE) != 0 ||
	     (image->header->required_features & SNAPIMG_FEATURE_TREE) == 0))
		return SNAPIMG_ERR_FILE;
	if ((identity->flags & SNAPIMG_IDENTITY_NAMED) != 0 &&
	    ((identity->flags & (SNAPIMG_IDENTITY_SCRATCH | SNAPIMG_IDENTITY_MADE)) !=
	             SNAPIMG_IDENTITY_MADE ||
	     snapimg_get_file(image)[identity->file - 1].check != SNAPIMG_CHECK_EXISTS))
		return SNAPIMG_ERR_FILE;
	if ((identity->flags & SNAPIMG_IDENTITY_MADE) != 0 &&
	    !can_be_made(snapimg_get_file(image) + (identity->file - 1)))
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

/* Within the file, and after the one before. */
static bool content_is_placed(const struct snapimg_content *content, const struct snapimg_content *before,
                              uint64_t size)
{
	if (content->position > size || content->size > size - content->position)
		return false;
	return before == NULL || before->object < content->object ||
	       (before->object == content->object && content->position >= before->position + before->size);
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
	return (file->mode & TYPE_MASK) == TYPE_REGULAR && content_is_placed(content, before, file->size)
	               ? SNAPIMG_OK
	               : SNAPIMG_ERR_FILE;
}

/* Of what follows a slash, up to the next one or the end. */
static uint32_t component_length(const char *text)
{
	uint32_t length = 0;

	while (text[length] != '\0' && text[length] != '/')
		length++;
	return length;
}

static bool component_is(const char *text, uint32_t length, const char *word)
{
	uint32_t i = 0;

	while (i < length && word[i] == text[i])
		i++;
	return i == length && word[i] == '\0';
}

static bool path_is_plain(const char *path)
{
	static const char *const kernels[] = {"dev", "proc", "sys"};
	const char *at = path;
	uint32_t length, i;

	if (*at != '/')
		return false;
	for (; *at == '/'; at += length) {
		length = component_length(++at);
		if (length == 0 || component_is(at, length, ".") || component_is(at, length, ".."))
			return false;
		for (i = 0; i < 3 && at == path + 1; i++)
			if (component_is(at, length, kernels[i]))
				return false;
	}
	return true;
}

static bool path_is_after(const char *path, const char *before)
{
	while (*path != '\0' && *path == *before)
		path++, before++;
	return (uint8_t)*path > (uint8_t)*before;
}

enum snapimg_error snapimg_rule_root(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_root *root = snapimg_get_root(image) + index;

	if (!snapimg_string_is_valid(image, root->path) || !snapimg_string_is_valid(image, root->target))
		return SNAPIMG_ERR_STRING;
	const char *path = snapimg_string(image, root->path);
	bool is_link = root->kind == SNAPIMG_ROOT_LINK;
	if (!path_is_plain(path) ||
	    (index > 0 && !path_is_after(path, snapimg_string(image, root[-1].path))) ||
	    root->kind < SNAPIMG_ROOT_DIRECTORY || root->kind > SNAPIMG_ROOT_LINK || root->mode > 0777 ||
	    is_link == (snapimg_string(image, root->target)[0] == '\0') || (!is_link && root->target != 0) ||
	    root->size > (root->kind == SNAPIMG_ROOT_FILE ? SNAPIMG_ROOT_SIZE_MAX : 0) ||
	    root->mtime_nanoseconds >= NANOSECONDS || root->reserved_zero != 0)
		return SNAPIMG_ERR_FILE;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_rootdata(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_content *content = snapimg_get_rootdata(image) + index;

	if (content->object >= snapimg_root_count(image))
		return SNAPIMG_ERR_FILE;
	const struct snapimg_root *root = snapimg_get_root(image) + content->object;
	if (root->kind != SNAPIMG_ROOT_FILE || !snapimg_content_is_stored(image, content) ||
	    !content_is_placed(content, index > 0 ? content - 1 : NULL, root->size))
		return SNAPIMG_ERR_FILE;
	return SNAPIMG_OK;
}
