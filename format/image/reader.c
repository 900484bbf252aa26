#include "format/image/reader.h"

#include <string.h>

#include "format/facts/checksum.h"
#include "format/image/check.h"

const struct snapimg_section_rule snapimg_section_rules[SNAPIMG_SECTION_LIMIT] = {
#define X(name, number, record, count, text) [number] = {(record), (count), (text)},
        SNAPIMG_SECTIONS(X)
#undef X
};

static const uint64_t known_features = 0
#define X(name, bit, text) | SNAPIMG_FEATURE_##name
        SNAPIMG_FEATURES(X)
#undef X
        ;

const char *snapimg_section_name(uint32_t type)
{
	if (type >= SNAPIMG_SECTION_LIMIT || snapimg_section_rules[type].count == 0)
		return "?";
	return snapimg_section_rules[type].text;
}

const char *snapimg_string(const struct snapimg *image, uint32_t offset)
{
	return (const char *)image->section[SNAPIMG_SECTION_STRINGS].bytes + offset;
}

static enum snapimg_error fail_at(struct snapimg *image, uint32_t section, uint64_t index,
                                  enum snapimg_error error)
{
	image->failed_section = section;
	image->failed_index = index;
	return error;
}

/* What text-mode transfers do to the magic: strip the high bit, rewrite line ends, recode 0x89 as UTF-8 (as
 * U+0089 or as the replacement character). */
static bool is_text_damaged(const uint8_t *bytes, uint64_t size)
{
	static const struct {
		uint8_t length;
		uint8_t bytes[6];
	} shapes[] = {
	        {4, {0x89, 'S', 'N', 'P'}},
	        {4, {0x09, 'S', 'N', 'P'}},
	        {5, {0xc2, 0x89, 'S', 'N', 'P'}},
	        {6, {0xef, 0xbf, 0xbd, 'S', 'N', 'P'}},
	};
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		if (size >= shapes[i].length && memcmp(bytes, shapes[i].bytes, shapes[i].length) == 0)
			return true;
	return false;
}

static enum snapimg_error check_magic(struct snapimg *image)
{
	size_t have = image->size < SNAPIMG_MAGIC_SIZE ? (size_t)image->size : SNAPIMG_MAGIC_SIZE;

	if (image->size == 0)
		return SNAPIMG_ERR_EMPTY;
	if (memcmp(image->base, SNAPIMG_MAGIC, have) != 0)
		return is_text_damaged(image->base, image->size) ? SNAPIMG_ERR_TEXT_DAMAGE
		                                                 : SNAPIMG_ERR_NOT_AN_IMAGE;
	return image->size < sizeof(struct snapimg_header) ? SNAPIMG_ERR_TRUNCATED : SNAPIMG_OK;
}

/* What has a message of its own comes before the digest, which a newer version may compute in another way. */
static enum snapimg_error check_version(struct snapimg *image)
{
	const struct snapimg_header *header = image->header;
	uint64_t unknown = header->required_features & ~known_features;

	if (header->major > SNAPIMG_MAJOR)
		return SNAPIMG_ERR_NEWER_MAJOR;
	if (header->major == 0)
		return SNAPIMG_ERR_HEADER;
	if (header->architecture != SNAPIMG_ARCH_X86_64)
		return SNAPIMG_ERR_ARCHITECTURE;
	if (header->page_size != SNAPIMG_PAGE_SIZE)
		return SNAPIMG_ERR_PAGE_SIZE;
	if (unknown != 0)
		return fail_at(image, 0, (uint64_t)__builtin_ctzll(unknown), SNAPIMG_ERR_FEATURE);
	return SNAPIMG_OK;
}

static enum snapimg_error check_size(struct snapimg *image)
{
	const struct snapimg_header *header = image->header;
	uint64_t table_size = header->section_count * sizeof(struct snapimg_section);

	if (image->size < header->image_size)
		return SNAPIMG_ERR_TRUNCATED;
	if (image->size > header->image_size)
		return SNAPIMG_ERR_TRAILING;
	if (header->metadata_offset <= header->image_size &&
	    header->image_size - header->metadata_offset > SNAPIMG_METADATA_MAX)
		return SNAPIMG_ERR_LIMIT;
	if (header->section_count == 0 || header->section_count > SNAPIMG_MAX_SECTIONS ||
	    header->image_size < SNAPIMG_HEADER_AREA + table_size ||
	    header->section_table_offset != header->image_size - table_size ||
	    header->section_table_offset % SNAPIMG_ALIGNMENT != 0 ||
	    header->metadata_offset % SNAPIMG_ALIGNMENT != 0 ||
	    header->metadata_offset < SNAPIMG_HEADER_AREA ||
	    header->metadata_offset > header->section_table_offset || header->reserved_zero != 0)
		return SNAPIMG_ERR_HEADER;
	return SNAPIMG_OK;
}

void snapimg_digest(const void *header_area, const void *table, size_t table_size,
                    uint8_t digest[SNAPIMG_DIGEST_SIZE])
{
	static const uint8_t zeros[SNAPIMG_DIGEST_SIZE];
	const size_t before = offsetof(struct snapimg_header, digest);
	const uint8_t *area = header_area;
	XXH128_canonical_t canonical;
	XXH3_state_t state;

	XXH3_INITSTATE(&state);
	(void)XXH3_128bits_reset(&state);
	(void)XXH3_128bits_update(&state, area, before);
	(void)XXH3_128bits_update(&state, zeros, sizeof(zeros));
	(void)XXH3_128bits_update(&state, area + before + sizeof(zeros),
	                          SNAPIMG_HEADER_AREA - before - sizeof(zeros));
	(void)XXH3_128bits_update(&state, table, table_size);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
	memcpy(digest, canonical.digest, SNAPIMG_DIGEST_SIZE);
}

static enum snapimg_error check_digest(struct snapimg *image)
{
	const struct snapimg_header *header = image->header;
	uint8_t digest[SNAPIMG_DIGEST_SIZE];

	snapimg_digest(image->base, image->base + header->section_table_offset,
	               header->section_count * sizeof(struct snapimg_section), digest);
	if (memcmp(digest, header->digest, sizeof(digest)) != 0)
		return SNAPIMG_ERR_DIGEST;
	if (!snapimg_is_zero(header + 1, SNAPIMG_HEADER_AREA - sizeof(*header)))
		return SNAPIMG_ERR_PADDING;
	return SNAPIMG_OK;
}

/* DATA lies right after the header area, and its end decides where the metadata begin; all others follow
 * each other in the order of the table. */
static bool is_placed(const struct snapimg *image, const struct snapimg_section *section, uint64_t position)
{
	const struct snapimg_header *header = image->header;

	if (section->type == SNAPIMG_SECTION_DATA)
		return section->offset == SNAPIMG_HEADER_AREA && section->checksum == 0 &&
		       section->size <= header->metadata_offset - SNAPIMG_HEADER_AREA;
	return section->offset == position && section->size <= header->section_table_offset - position;
}

static enum snapimg_error check_section_bytes(const struct snapimg *image,
                                              const struct snapimg_section *section)
{
	const uint8_t *bytes = image->base + section->offset;
	uint64_t padded = snapimg_align(section->size, SNAPIMG_ALIGNMENT);

	if (snapimg_checksum(bytes, padded) != section->checksum)
		return SNAPIMG_ERR_SECTION_CHECKSUM;
	if (!snapimg_is_zero(bytes + section->size, padded - section->size))
		return SNAPIMG_ERR_PADDING;
	return SNAPIMG_OK;
}

/* A section of known type becomes a view. */
static enum snapimg_error note_section(struct snapimg *image, const struct snapimg_section *section)
{
	const struct snapimg_section_rule *rule = &snapimg_section_rules[section->type];
	struct snapimg_view *view = &image->section[section->type];
	uint64_t count = section->type == SNAPIMG_SECTION_DATA ? 0 : section->size / section->record_size;

	if (view->bytes != NULL || section->record_size != rule->record_size ||
	    ((rule->count == '1' || rule->count == '?') && count != 1))
		return SNAPIMG_ERR_SECTION_TABLE;
	if (count > UINT32_MAX)
		return SNAPIMG_ERR_LIMIT;
	*view = (struct snapimg_view){image->base + section->offset, section->size, (uint32_t)count};
	return SNAPIMG_OK;
}

static enum snapimg_error check_section(struct snapimg *image, const struct snapimg_section *section,
                                        uint64_t *position)
{
	bool is_known =
	        section->type < SNAPIMG_SECTION_LIMIT && snapimg_section_rules[section->type].count != 0;
	enum snapimg_error error;

	if (section->type == 0 || (section->flags & ~(uint32_t)SNAPIMG_SECTION_REQUIRED) != 0 ||
	    section->size == 0 || section->record_size == 0 || section->size % section->record_size != 0 ||
	    section->reserved_zero != 0)
		return SNAPIMG_ERR_SECTION_TABLE;
	if (!is_known && section->flags & SNAPIMG_SECTION_REQUIRED)
		return SNAPIMG_ERR_SECTION_UNKNOWN;
	if (!is_placed(image, section, *position))
		return SNAPIMG_ERR_SECTION_TABLE;
	if (is_known && (error = note_section(image, section)) != SNAPIMG_OK)
		return error;
	if (section->type == SNAPIMG_SECTION_DATA)
		return SNAPIMG_OK;
	*position += snapimg_align(section->size, SNAPIMG_ALIGNMENT);
	if (section->type == SNAPIMG_SECTION_VDSO && image->vdso_is_unread)
		return SNAPIMG_OK;
	return check_section_bytes(image, section);
}

static const struct snapimg_section *section_table(const struct snapimg *image)
{
	const void *table = image->base + image->header->section_table_offset;

	return table;
}

static enum snapimg_error check_sections(struct snapimg *image)
{
	const struct snapimg_header *header = image->header;
	const struct snapimg_section *section = section_table(image);
	uint64_t position = header->metadata_offset;
	uint32_t i;

	for (i = 0; i < header->section_count; i++) {
		enum snapimg_error error = check_section(image, &section[i], &position);

		if (error != SNAPIMG_OK)
			return fail_at(image, section[i].type, i, error);
	}
	if (position != header->section_table_offset)
		return SNAPIMG_ERR_SECTION_TABLE;
	for (i = 0; i < SNAPIMG_SECTION_LIMIT; i++) {
		char count = snapimg_section_rules[i].count;

		if ((count == '1' || count == '+') && image->section[i].bytes == NULL)
			return fail_at(image, i, 0, SNAPIMG_ERR_SECTION_MISSING);
	}
	return SNAPIMG_OK;
}

uint64_t snapimg_data_end(const struct snapimg *image)
{
	const struct snapimg_member *member = snapimg_get_member(image);
	uint64_t end = SNAPIMG_HEADER_AREA + image->section[SNAPIMG_SECTION_DATA].size;
	uint32_t i;

	for (i = 0; i < snapimg_member_count(image); i++)
		if (member[i].offset != 0)
			end = member[i].offset + member[i].size;
	return end;
}

/* The rules of TREE come later: all it can break here is this comparison. */
static enum snapimg_error check_data_end(struct snapimg *image)
{
	uint64_t end = snapimg_data_end(image);
	uint64_t metadata = image->header->metadata_offset;

	if (metadata != snapimg_align(end, SNAPIMG_ALIGNMENT))
		return SNAPIMG_ERR_HEADER;
	if (!snapimg_is_zero(image->base + end, metadata - end))
		return fail_at(image, SNAPIMG_SECTION_DATA, 0, SNAPIMG_ERR_PADDING);
	return SNAPIMG_OK;
}

/* On an error nothing is left but where it was. */
static enum snapimg_error done_with(struct snapimg *image, enum snapimg_error error)
{
	uint32_t section = image->failed_section;
	uint64_t index = image->failed_index;

	if (error == SNAPIMG_OK)
		return SNAPIMG_OK;
	memset(image, 0, sizeof(*image));
	return fail_at(image, section, index, error);
}

enum snapimg_error snapimg_check_header(const void *base, uint64_t size, struct snapimg *image)
{
	enum snapimg_error error;

	memset(image, 0, sizeof(*image));
	image->base = base;
	image->size = size;
	image->header = base;
	if ((error = check_magic(image)) == SNAPIMG_OK && (error = check_version(image)) == SNAPIMG_OK)
		error = check_size(image);
	return done_with(image, error);
}

static const struct snapimg_section *find_vdso(const struct snapimg *image)
{
	const struct snapimg_section *section = section_table(image);
	uint16_t i;

	for (i = 0; i < image->header->section_count; i++)
		if (section[i].type == SNAPIMG_SECTION_VDSO)
			return &section[i];
	return NULL;
}

uint64_t snapimg_vdso_end(const struct snapimg *image)
{
	const struct snapimg_section *vdso = find_vdso(image);
	const struct snapimg_header *header = image->header;

	if (vdso == NULL || vdso->offset != header->metadata_offset ||
	    vdso->size > header->section_table_offset - vdso->offset)
		return 0;
	return vdso->offset + snapimg_align(vdso->size, SNAPIMG_ALIGNMENT);
}

enum snapimg_error snapimg_check_vdso(struct snapimg *image)
{
	enum snapimg_error error = check_section_bytes(image, find_vdso(image));

	image->vdso_is_unread = false;
	if (error == SNAPIMG_OK)
		error = snapimg_rule_vdso(image, 0);
	return error == SNAPIMG_OK ? error : fail_at(image, SNAPIMG_SECTION_VDSO, 0, error);
}

static enum snapimg_error open_image(const void *base, uint64_t size, struct snapimg *image,
                                     bool vdso_is_unread)
{
	enum snapimg_error error = snapimg_check_header(base, size, image);

	image->vdso_is_unread = vdso_is_unread;
	if (error == SNAPIMG_OK && (error = check_digest(image)) == SNAPIMG_OK &&
	    (error = check_sections(image)) == SNAPIMG_OK && (error = check_data_end(image)) == SNAPIMG_OK)
		error = snapimg_check_records(image);
	return done_with(image, error);
}

enum snapimg_error snapimg_open(const void *base, uint64_t size, struct snapimg *image)
{
	return open_image(base, size, image, false);
}

enum snapimg_error snapimg_open_without_vdso(const void *base, uint64_t size, struct snapimg *image)
{
	return open_image(base, size, image, true);
}

enum snapimg_error snapimg_open_member(const struct snapimg *image, const struct snapimg_member *member,
                                       struct snapimg *ret_image)
{
	enum snapimg_error error = snapimg_open(image->base + member->offset, member->size, ret_image);

	if (error == SNAPIMG_OK &&
	    memcmp(ret_image->header->digest, member->digest, SNAPIMG_DIGEST_SIZE) != 0)
		error = SNAPIMG_ERR_DIGEST;
	return error;
}

/* MAPPED: what none of its DATA runs names. */
static bool gaps_are_zero(const struct snapimg *image, const struct snapimg_extent *extent)
{
	const struct snapimg_run *run = snapimg_get_run(image) + extent->run_first;
	const uint8_t *bytes = image->base + extent->offset;
	uint64_t at = run->address, start = run->address;
	uint32_t i;

	for (i = 0; i < extent->run_count; i++) {
		if (run[i].kind != SNAPIMG_RUN_DATA)
			continue;
		if (!snapimg_is_zero(bytes + (at - start), run[i].address - at))
			return false;
		at = snapimg_run_end(&run[i]);
	}
	return snapimg_is_zero(bytes + (at - start), extent->stored_size - (at - start));
}

enum snapimg_error snapimg_check_extent(const struct snapimg *image, const struct snapimg_extent *extent)
{
	uint64_t before = SNAPIMG_HEADER_AREA;
	enum snapimg_error error;

	if (extent != snapimg_get_extent(image))
		before = extent[-1].offset + extent[-1].stored_size;
	if (!snapimg_is_zero(image->base + before, extent->offset - before))
		return SNAPIMG_ERR_PADDING;
	error = snapimg_check_stored(extent, image->base + extent->offset);
	if (error == SNAPIMG_OK && extent->kind == SNAPIMG_EXTENT_MAPPED && !gaps_are_zero(image, extent))
		error = SNAPIMG_ERR_PADDING;
	return error;
}

enum snapimg_error snapimg_check_stored(const struct snapimg_extent *extent, const void *stored)
{
	if (snapimg_checksum(stored, extent->stored_size) != extent->checksum)
		return SNAPIMG_ERR_EXTENT_CHECKSUM;
	return SNAPIMG_OK;
}
