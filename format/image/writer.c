#include "format/image/writer.h"

#include <stdlib.h>
#include <string.h>

#include "format/facts/checksum.h"
#include "format/image/check.h"
#include "format/image/features.h"
#include "format/image/growing.h"

struct snapimg_writer {
	snapimg_sink *sink;
	void *context;
	enum snapimg_error error; /* sticky */
	uint64_t position;        /* next byte of the image */
	uint64_t data_end; /* of the page data, where images of a tree follow; 0: they end at position */
	struct growing section[SNAPIMG_SECTION_LIMIT];
	struct intern_table strings;
	struct snapimg check; /* the finished records as a reader would see them */
};

struct snapimg_writer *snapimg_writer_new(snapimg_sink *sink, void *context)
{
	struct snapimg_writer *writer = calloc(1, sizeof(*writer));

	if (writer == NULL)
		return NULL;
	writer->sink = sink;
	writer->context = context;
	writer->position = SNAPIMG_HEADER_AREA;
	writer->error = growing_append(&writer->section[SNAPIMG_SECTION_STRINGS], "", 1);
	return writer;
}

void snapimg_writer_free(struct snapimg_writer *writer)
{
	size_t i;

	if (writer == NULL)
		return;
	for (i = 0; i < SNAPIMG_SECTION_LIMIT; i++)
		free(writer->section[i].bytes);
	free(writer->strings.slots);
	free(writer);
}

static enum snapimg_error stick(struct snapimg_writer *writer, enum snapimg_error error)
{
	if (writer->error == SNAPIMG_OK)
		writer->error = error;
	return writer->error;
}

static enum snapimg_error emit(struct snapimg_writer *writer, const void *bytes, uint64_t size)
{
	if (writer->error != SNAPIMG_OK || size == 0)
		return writer->error;
	if (writer->sink(writer->context, writer->position, bytes, size) != 0)
		return stick(writer, SNAPIMG_ERR_SINK);
	writer->position += size;
	return SNAPIMG_OK;
}

static enum snapimg_error emit_padding(struct snapimg_writer *writer, uint64_t alignment)
{
	static const uint8_t zeros[SNAPIMG_PAGE_SIZE];

	return emit(writer, zeros, snapimg_align(writer->position, alignment) - writer->position);
}

static bool extent_is_sane(const struct snapimg_extent *extent, const struct snapimg_run *runs,
                           uint32_t run_count)
{
	uint64_t pages = 0;
	uint32_t i;

	for (i = 0; i < run_count; i++)
		pages += runs[i].kind == SNAPIMG_RUN_DATA ? runs[i].pages : 0;
	if (run_count == 0 || pages * SNAPIMG_PAGE_SIZE != extent->raw_size ||
	    extent->raw_size > SNAPIMG_EXTENT_MAX)
		return false;
	if (extent->kind == SNAPIMG_EXTENT_ZERO)
		return extent->stored_size == 0 && pages == 0;
	if (extent->kind == SNAPIMG_EXTENT_RAW)
		return extent->stored_size == extent->raw_size && pages > 0;
	if (extent->kind == SNAPIMG_EXTENT_MAPPED)
		return extent->stored_size == snapimg_run_end(&runs[run_count - 1]) - runs[0].address;
	return snapimg_extent_is_packed(extent) && extent->stored_size > 0 && pages > 0;
}

/* Zeros between pages are not written. */
static enum snapimg_error emit_mapped(struct snapimg_writer *writer, const struct snapimg_extent *extent,
                                      const struct snapimg_run *runs, uint32_t run_count,
                                      const uint8_t *stored)
{
	uint64_t base = writer->position;
	struct snapimg_stretch stretch = {0};
	enum snapimg_error error = SNAPIMG_OK;

	while (error == SNAPIMG_OK && snapimg_stretch_next(runs, run_count, &stretch)) {
		writer->position = base + stretch.start;
		error = emit(writer, stored + stretch.start, stretch.end - stretch.start);
	}
	writer->position = base + extent->stored_size;
	return error;
}

/* stored: NULL where the caller writes it. */
static enum snapimg_error append_extent(struct snapimg_writer *writer, struct snapimg_extent *extent,
                                        const struct snapimg_run *runs, uint32_t run_count,
                                        const void *stored)
{
	struct growing *all_runs = &writer->section[SNAPIMG_SECTION_RUNS];
	uint64_t first = all_runs->size / sizeof(*runs);
	enum snapimg_error error;

	if (writer->error != SNAPIMG_OK)
		return writer->error;
	if (!extent_is_sane(extent, runs, run_count))
		return stick(writer, SNAPIMG_ERR_EXTENT);
	if (first + run_count > UINT32_MAX)
		return stick(writer, SNAPIMG_ERR_LIMIT);
	if (extent->kind == SNAPIMG_EXTENT_MAPPED) {
		if (extent->offset < writer->position || extent->offset % SNAPIMG_PAGE_SIZE != 0)
			return stick(writer, SNAPIMG_ERR_EXTENT);
		writer->position = extent->offset;
	}
	if (extent->kind == SNAPIMG_EXTENT_RAW &&
	    (error = emit_padding(writer, SNAPIMG_PAGE_SIZE)) != SNAPIMG_OK)
		return error;
	extent->offset = writer->position;
	extent->run_first = (uint32_t)first;
	extent->run_count = run_count;
	if (extent->kind == SNAPIMG_EXTENT_ZERO)
		extent->checksum = snapimg_checksum(NULL, 0);
	if (stored == NULL)
		writer->position += extent->stored_size;
	else if ((error = extent->kind == SNAPIMG_EXTENT_MAPPED
	                          ? emit_mapped(writer, extent, runs, run_count, stored)
	                          : emit(writer, stored, extent->stored_size)) != SNAPIMG_OK)
		return error;
	if ((error = growing_append(all_runs, runs, run_count * sizeof(*runs))) != SNAPIMG_OK)
		return stick(writer, error);
	return stick(writer,
	             growing_append(&writer->section[SNAPIMG_SECTION_EXTENTS], extent, sizeof(*extent)));
}

enum snapimg_error snapimg_writer_put_extent(struct snapimg_writer *writer, struct snapimg_extent *extent,
                                             const struct snapimg_run *runs, uint32_t run_count,
                                             const void *stored)
{
	return append_extent(writer, extent, runs, run_count, stored);
}

enum snapimg_error snapimg_writer_place_extent(struct snapimg_writer *writer, struct snapimg_extent *extent,
                                               const struct snapimg_run *runs, uint32_t run_count)
{
	return append_extent(writer, extent, runs, run_count, NULL);
}

void snapimg_writer_set_checksum(struct snapimg_writer *writer, size_t index, uint64_t checksum)
{
	struct growing *extents = &writer->section[SNAPIMG_SECTION_EXTENTS];

	if (index < extents->size / sizeof(struct snapimg_extent))
		((struct snapimg_extent *)extents->bytes)[index].checksum = checksum;
}

enum snapimg_error snapimg_writer_string(struct snapimg_writer *writer, const char *text,
                                         uint32_t *ret_offset)
{
	uint32_t offset = 0;

	if (writer->error != SNAPIMG_OK)
		return writer->error;
	if (*text != '\0' && stick(writer, intern(&writer->strings, &writer->section[SNAPIMG_SECTION_STRINGS],
	                                          text, &offset)) != SNAPIMG_OK)
		return writer->error;
	*ret_offset = offset;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_writer_add(struct snapimg_writer *writer, enum snapimg_section_type type,
                                      const void *bytes, size_t size)
{
	bool is_own = type == SNAPIMG_SECTION_DATA || type == SNAPIMG_SECTION_STRINGS ||
	              type == SNAPIMG_SECTION_EXTENTS || type == SNAPIMG_SECTION_RUNS;

	if (writer->error != SNAPIMG_OK)
		return writer->error;
	if (is_own || (unsigned)type >= SNAPIMG_SECTION_LIMIT || snapimg_section_rules[type].count == 0 ||
	    size % snapimg_section_rules[type].record_size != 0)
		return stick(writer, SNAPIMG_ERR_SECTION_TABLE);
	return stick(writer, growing_append(&writer->section[type], bytes, size));
}

static int put_member(void *context, uint64_t offset, const void *bytes, size_t size)
{
	struct snapimg_part *part = context;

	return part->writer->sink(part->writer->context, part->offset + offset, bytes, size);
}

struct snapimg_writer *snapimg_writer_begin_member(struct snapimg_writer *writer, struct snapimg_part *part)
{
	if (writer->data_end == 0)
		writer->data_end = writer->position;
	*part = (struct snapimg_part){writer, snapimg_align(writer->position, SNAPIMG_PAGE_SIZE)};
	return snapimg_writer_new(put_member, part);
}

void snapimg_writer_end_member(struct snapimg_writer *writer, const struct snapimg_part *part, uint64_t size)
{
	writer->position = part->offset + size;
}

uint64_t snapimg_writer_position(const struct snapimg_writer *writer)
{
	return writer->position;
}

enum snapimg_error snapimg_writer_copy_records(struct snapimg_writer *writer, const struct snapimg *image)
{
	uint32_t type;

	for (type = 1; type < SNAPIMG_SECTION_LIMIT && writer->error == SNAPIMG_OK; type++) {
		struct growing *section = &writer->section[type];
		const struct snapimg_view *from = &image->section[type];

		if (type == SNAPIMG_SECTION_DATA || type == SNAPIMG_SECTION_EXTENTS ||
		    type == SNAPIMG_SECTION_RUNS || type == SNAPIMG_SECTION_PIECES ||
		    type == SNAPIMG_SECTION_SOURCE || type == SNAPIMG_SECTION_SIGNATURE ||
		    type == SNAPIMG_SECTION_UNSYNCED || from->size == 0) /* a signature is of other bytes */
			continue;
		section->size = 0; /* STRINGS has its first NUL already */
		(void)stick(writer, growing_append(section, from->bytes, from->size));
	}
	return writer->error;
}

void snapimg_writer_clear(struct snapimg_writer *writer, enum snapimg_section_type type)
{
	writer->section[type].size = 0;
}

/* Both are sorted by address: gives each mapping the runs that begin before its end. The rules tell if they
 * fit. */
static void assign_runs(struct snapimg_writer *writer)
{
	struct growing *mappings = &writer->section[SNAPIMG_SECTION_MAPPINGS];
	const struct growing *all_runs = &writer->section[SNAPIMG_SECTION_RUNS];
	struct snapimg_mapping *mapping = (struct snapimg_mapping *)mappings->bytes;
	const struct snapimg_run *run = (const struct snapimg_run *)all_runs->bytes;
	size_t i, count = mappings->size / sizeof(*mapping);
	uint32_t next = 0, total = (uint32_t)(all_runs->size / sizeof(*run));

	for (i = 0; i < count; i++) {
		mapping[i].run_first = next;
		while (next < total && run[next].address < mapping[i].end)
			next++;
		mapping[i].run_count = next - mapping[i].run_first;
	}
}

/* A writer that emits what the reader refuses helps nobody: the same rules are applied before the metadata go
 * out. */
static enum snapimg_error check_own_records(struct snapimg_writer *writer,
                                            const struct snapimg_header *header, uint64_t data_size)
{
	struct snapimg *check = &writer->check;
	uint32_t type;

	check->header = header;
	check->size = writer->position;
	for (type = 1; type < SNAPIMG_SECTION_LIMIT; type++) {
		const struct growing *section = &writer->section[type];
		const struct snapimg_section_rule *rule = &snapimg_section_rules[type];
		uint64_t count = rule->count == 0 ? 0 : section->size / rule->record_size;

		if (count > UINT32_MAX)
			return SNAPIMG_ERR_LIMIT;
		check->failed_section = type;
		if ((count == 0 && (rule->count == '1' || rule->count == '+')) ||
		    (count > 1 && (rule->count == '1' || rule->count == '?')))
			return SNAPIMG_ERR_SECTION_MISSING;
		check->section[type] = (struct snapimg_view){section->bytes, section->size, (uint32_t)count};
	}
	check->failed_section = 0;
	check->section[SNAPIMG_SECTION_DATA].size = data_size;
	enum snapimg_error error = snapimg_check_records(check);
	check->header = NULL; /* the caller's, which ends before the writer does */
	return error;
}

/* Writes one section, padded, and its row of the table. */
static bool is_optional(uint32_t type)
{
	static const uint8_t optional[] = {
#define X(name) SNAPIMG_SECTION_##name,
	        SNAPIMG_OPTIONAL_SECTIONS(X)
#undef X
	};

	return memchr(optional, (int)type, sizeof(optional)) != NULL;
}

static enum snapimg_error put_section(struct snapimg_writer *writer, uint32_t type,
                                      struct snapimg_section *row)
{
	struct growing *section = &writer->section[type];
	uint64_t size = section->size;
	static const uint8_t zeros[SNAPIMG_ALIGNMENT];
	enum snapimg_error error;

	error = growing_append(section, zeros, snapimg_align(size, SNAPIMG_ALIGNMENT) - size);
	if (error != SNAPIMG_OK)
		return stick(writer, error);
	*row = (struct snapimg_section){
	        .type = type,
	        .flags = is_optional(type) ? 0 : SNAPIMG_SECTION_REQUIRED,
	        .offset = writer->position,
	        .size = size,
	        .record_size = snapimg_section_rules[type].record_size,
	        .checksum = snapimg_checksum(section->bytes, section->size),
	};
	return emit(writer, section->bytes, section->size);
}

static enum snapimg_error put_sections(struct snapimg_writer *writer, struct snapimg_section *table,
                                       uint64_t data_size, uint16_t *ret_count)
{
	uint16_t count = 0;
	uint32_t type;

	if (data_size > 0)
		table[count++] = (struct snapimg_section){.type = SNAPIMG_SECTION_DATA,
		                                          .flags = SNAPIMG_SECTION_REQUIRED,
		                                          .offset = SNAPIMG_HEADER_AREA,
		                                          .size = data_size,
		                                          .record_size = 1};
	/* First what most starts don't read. */
	if (writer->section[SNAPIMG_SECTION_VDSO].size > 0 &&
	    put_section(writer, SNAPIMG_SECTION_VDSO, &table[count++]) != SNAPIMG_OK)
		return writer->error;
	for (type = 1; type < SNAPIMG_SECTION_LIMIT; type++) {
		if (writer->section[type].size == 0 || type == SNAPIMG_SECTION_VDSO)
			continue;
		if (put_section(writer, type, &table[count++]) != SNAPIMG_OK)
			return writer->error;
	}
	*ret_count = count;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_writer_finish(struct snapimg_writer *writer, uint64_t *ret_size,
                                         uint8_t digest[SNAPIMG_DIGEST_SIZE])
{
	struct snapimg_section table[SNAPIMG_SECTION_LIMIT];
	union {
		struct snapimg_header header;
		uint8_t bytes[SNAPIMG_HEADER_AREA];
	} area = {.bytes = {0}};
	struct snapimg_header *header = &area.header;
	uint64_t data_size = (writer->data_end ? writer->data_end : writer->position) - SNAPIMG_HEADER_AREA;

	if (writer->error != SNAPIMG_OK)
		return writer->error;
	memcpy(header->magic, SNAPIMG_MAGIC, SNAPIMG_MAGIC_SIZE);
	header->major = SNAPIMG_MAJOR;
	header->minor = SNAPIMG_MINOR;
	header->architecture = SNAPIMG_ARCH_X86_64;
	header->page_size = SNAPIMG_PAGE_SIZE;
	header->required_features = snapimg_features_of(writer->section);
	assign_runs(writer);
	if (stick(writer, check_own_records(writer, header, data_size)) != SNAPIMG_OK ||
	    emit_padding(writer, SNAPIMG_ALIGNMENT) != SNAPIMG_OK)
		return writer->error;
	header->metadata_offset = writer->position;
	if (put_sections(writer, table, data_size, &header->section_count) != SNAPIMG_OK)
		return writer->error;
	header->section_table_offset = writer->position;
	if (emit(writer, table, header->section_count * sizeof(*table)) != SNAPIMG_OK)
		return writer->error;
	header->image_size = writer->position;
	if (header->image_size - header->metadata_offset > SNAPIMG_METADATA_MAX)
		return stick(writer, SNAPIMG_ERR_LIMIT);
	snapimg_digest(&area, table, header->section_count * sizeof(*table), header->digest);
	if (writer->sink(writer->context, 0, &area, sizeof(area)) != 0)
		return stick(writer, SNAPIMG_ERR_SINK);
	if (ret_size != NULL)
		*ret_size = header->image_size;
	if (digest != NULL)
		memcpy(digest, header->digest, SNAPIMG_DIGEST_SIZE);
	return SNAPIMG_OK;
}

void snapimg_writer_failure(const struct snapimg_writer *writer, uint32_t *ret_section, uint64_t *ret_index)
{
	*ret_section = writer->check.failed_section;
	*ret_index = writer->check.failed_index;
}
