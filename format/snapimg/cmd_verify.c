#include <stdio.h>

#include "format/base/json.h"
#include "format/base/text.h"
#include "format/convert/inherited.h"
#include "format/convert/page_data.h"
#include "format/facts/checksum.h"
#include "format/snapimg/commands.h"
#include "format/snapimg/signature.h"

/* The pages and where they belong, however they are packed: the same for an image, thawed and frozen. */
static enum snapimg_error add_run(void *context, const struct snapimg_run *run, const uint8_t *pages)
{
	static const uint8_t zeros[SNAPIMG_PAGE_SIZE];
	uint64_t address = run->address;
	uint32_t i;

	for (i = 0; i < run->pages; i++, address += SNAPIMG_PAGE_SIZE) {
		const uint8_t *page = pages == NULL ? zeros : pages + (size_t)i * SNAPIMG_PAGE_SIZE;

		(void)XXH3_128bits_update(context, &address, sizeof(address));
		(void)XXH3_128bits_update(context, page, SNAPIMG_PAGE_SIZE);
	}
	return SNAPIMG_OK;
}

/* Of a section of struct snapimg_content. */
static enum snapimg_error check_contents(struct snapimg *image, enum snapimg_section_type section)
{
	const struct snapimg_content *content = (const void *)image->section[section].bytes;
	const uint8_t *bytes = image->section[SNAPIMG_SECTION_BYTES].bytes;
	uint32_t i;

	for (i = 0; i < image->section[section].count; i++) {
		image->failed_section = section;
		image->failed_index = i;
		if (content[i].stored_size != 0 &&
		    !page_data_is_frame(bytes + content[i].offset, content[i].stored_size, content[i].size))
			return SNAPIMG_ERR_EXTENT_FRAME;
	}
	return SNAPIMG_OK;
}

static enum snapimg_error check_one(struct snapimg *image, XXH3_state_t *state)
{
	static const enum snapimg_section_type sections[] = {
	        SNAPIMG_SECTION_CONTENTS, SNAPIMG_SECTION_CARRIED, SNAPIMG_SECTION_ROOTDATA};
	struct page_data data;
	enum snapimg_error error = page_data_open(&data, image);

	if (error == SNAPIMG_OK)
		error = page_data_visit(&data, add_run, state);
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections) && error == SNAPIMG_OK; i++)
		error = check_contents(image, sections[i]);
	page_data_close(&data);
	return error;
}

/* What it has of earlier ones: they have it; and that counts as its content, too. */
static enum snapimg_error check_inherited(struct snapimg *image, uint32_t index, struct snapimg *own,
                                          XXH3_state_t *state)
{
	const struct snapimg_member *member = snapimg_get_member(image);
	const struct snapimg_inherited *it = snapimg_get_inherited(own);
	struct snapimg holder = *image;
	uint32_t open = 0;

	for (uint32_t i = 0; i < snapimg_inherited_count(own); i++) {
		uint32_t from = it[i].member;

		own->failed_section = SNAPIMG_SECTION_INHERITED;
		own->failed_index = i;
		if (from >= index || member[from].state == SNAPIMG_MEMBER_ZOMBIE)
			return SNAPIMG_ERR_INHERITED;
		if (from == 0)
			holder = *image;
		else if (from != open && snapimg_open_member(image, &member[from], &holder) != SNAPIMG_OK)
			return SNAPIMG_ERR_INHERITED;
		open = from;
		if (!inherited_is_there(image, &holder, &it[i]))
			return SNAPIMG_ERR_INHERITED;
		for (uint64_t at = it[i].address; at < snapimg_inherited_end(&it[i]);
		     at += SNAPIMG_PAGE_SIZE) {
			(void)XXH3_128bits_update(state, &at, sizeof(at));
			(void)XXH3_128bits_update(state, &from, sizeof(from));
		}
	}
	return SNAPIMG_OK;
}

/* The images of a tree's other processes, and that there is nothing between them. */
static enum snapimg_error check_members(struct snapimg *image, XXH3_state_t *state)
{
	const struct snapimg_member *member = snapimg_get_member(image);
	uint64_t end = SNAPIMG_HEADER_AREA + image->section[SNAPIMG_SECTION_DATA].size;
	enum snapimg_error error = SNAPIMG_OK;

	for (uint32_t i = 0; i < snapimg_member_count(image) && error == SNAPIMG_OK; i++) {
		struct snapimg own;

		if (member[i].offset == 0)
			continue;
		for (; end < member[i].offset && error == SNAPIMG_OK; end++)
			error = image->base[end] == 0 ? SNAPIMG_OK : SNAPIMG_ERR_PADDING;
		end = member[i].offset + member[i].size;
		image->failed_section = SNAPIMG_SECTION_TREE;
		image->failed_index = i;
		if (error == SNAPIMG_OK)
			error = snapimg_open_member(image, &member[i], &own);
		if (error == SNAPIMG_OK)
			error = check_one(&own, state);
		if (error == SNAPIMG_OK)
			error = check_inherited(image, i, &own, state);
	}
	return error;
}

static enum snapimg_error check_data(struct snapimg *image, char content[2 * SNAPIMG_DIGEST_SIZE + 1])
{
	XXH128_canonical_t canonical;
	XXH3_state_t *state = XXH3_createState();
	enum snapimg_error error = SNAPIMG_ERR_MEMORY;

	if (state == NULL)
		return error;
	(void)XXH3_128bits_reset(state);
	error = check_one(image, state);
	if (error == SNAPIMG_OK)
		error = check_members(image, state);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	(void)text_hex(content, canonical.digest, SNAPIMG_DIGEST_SIZE);
	(void)XXH3_freeState(state);
	return error;
}

static void put_result(const struct command_options *options, const struct snapimg *image,
                       const struct image_failure *failure, const char *digest, const char *content)
{
	struct json json = {.out = stdout};

	json_open(&json, NULL, '{');
	json_string(&json, "image", options->path);
	json_bool(&json, "ok", failure->error == SNAPIMG_OK);
	if (failure->error == SNAPIMG_OK) {
		json_number(&json, "sections", image->header->section_count);
		json_number(&json, "extents", snapimg_extent_count(image));
		json_string(&json, "digest", digest);
		json_string(&json, "content", content);
	} else {
		json_string(&json, "error", snapimg_strerror(failure->error));
		if (failure->section != 0) {
			json_string(&json, "section", snapimg_section_name(failure->section));
			json_number(&json, "record", failure->index);
		}
	}
	json_close(&json, '}');
}

enum exit_status command_verify(const struct command_options *options)
{
	char digest[2 * SNAPIMG_DIGEST_SIZE + 1] = "", content[2 * SNAPIMG_DIGEST_SIZE + 1] = "";
	struct image_file file;
	struct image_failure failure = {0};
	enum exit_status status = open_image(&file, options->path, IMAGE_WHOLE, &failure);

	if (status == EXIT_FINE) {
		(void)text_hex(digest, file.image.header->digest, SNAPIMG_DIGEST_SIZE);
		enum snapimg_error error = check_data(&file.image, content);

		if (error != SNAPIMG_OK) {
			failure = image_failure_of(&file.image, error);
			status = complain_of_image(options->path, &failure);
		}
	}
	if (status == EXIT_FINE && options->key != NULL)
		status = signature_check(&file, options->path, options->key);
	if (options->json && (status == EXIT_FINE || failure.error != SNAPIMG_OK))
		put_result(options, &file.image, &failure, digest, content);
	else if (status == EXIT_FINE) {
		text_print(stdout, options->path);
		printf(": ok: %u sections, %u %s, digest %s\n", file.image.header->section_count,
		       snapimg_extent_count(&file.image),
		       snapimg_extent_count(&file.image) == 1 ? "extent" : "extents", digest);
	}
	image_file_close(&file);
	return status;
}
