/*
 * One row for each rule of FORMAT.md: what is changed in the synthetic image,
 * and the error it must give. Checksums and digest are made right again after
 * the change, so that it is the rule that fires.
 */
#include <string.h>

#include "../check.h"
#include "format/facts/cpu.h"
#include "synthetic.h"

/* Where a change is made, besides in a section of that number. */
enum { NOWHERE, HEADER = 100, TABLE };

struct edit {
	uint32_t where;
	uint32_t offset; /* of the field, in the section */
	uint32_t width;  /* bytes */
	uint64_t value;
};

struct row {
	const char *name;
	enum snapimg_error error;
	uint32_t section; /* failed_section; 0: any */
	struct edit edits[3];
};

#define EDIT(place, type, index, field, value)                                                               \
	{                                                                                                    \
		(place), (uint32_t)((index) * sizeof(struct type) + offsetof(struct type, field)),           \
		        sizeof(((struct type *)0)->field), (uint64_t)(value)                                 \
	}
#define BYTES(section, offset, width, value)                                                                 \
	{                                                                                                    \
		SNAPIMG_SECTION_##section, (offset), (width), (uint64_t)(value)                              \
	}
#define HEAD(field, value)                EDIT(HEADER, snapimg_header, 0, field, value)
#define ROW_OF_TABLE(index, field, value) EDIT(TABLE, snapimg_section, index, field, value)
#define ORIGIN(field, value)              EDIT(SNAPIMG_SECTION_ORIGIN, snapimg_origin, 0, field, value)
#define MACHINE(field, value)             EDIT(SNAPIMG_SECTION_MACHINE, snapimg_machine, 0, field, value)
#define PROCESS(field, value)             EDIT(SNAPIMG_SECTION_PROCESS, snapimg_process, 0, field, value)
#define THREAD(index, field, value)       EDIT(SNAPIMG_SECTION_THREADS, snapimg_thread, index, field, value)
#define FILE_AT(index, field, value)      EDIT(SNAPIMG_SECTION_FILES, snapimg_file, index, field, value)
#define MAPPING(index, field, value)      EDIT(SNAPIMG_SECTION_MAPPINGS, snapimg_mapping, index, field, value)
#define RUN(index, field, value)          EDIT(SNAPIMG_SECTION_RUNS, snapimg_run, index, field, value)
#define EXTENT(index, field, value)       EDIT(SNAPIMG_SECTION_EXTENTS, snapimg_extent, index, field, value)
#define DESCRIPTOR(index, field, value)                                                                      \
	EDIT(SNAPIMG_SECTION_DESCRIPTORS, snapimg_descriptor, index, field, value)
#define ACTION(index, field, value) EDIT(SNAPIMG_SECTION_SIGNALS, snapimg_sigaction, index, field, value)
#define PIECE(index, field, value)  EDIT(SNAPIMG_SECTION_PIECES, snapimg_piece, index, field, value)
#define HOT(index, field, value)    EDIT(SNAPIMG_SECTION_HOT, snapimg_hot, index, field, value)
#define SHIM(field, value)          EDIT(SNAPIMG_SECTION_SHIM, snapimg_shim, 0, field, value)
#define AUXV(index, field, value)   EDIT(SNAPIMG_SECTION_AUXV, snapimg_auxv, index, field, value)
#define FIXUP(index, field, value)  EDIT(SNAPIMG_SECTION_FIXUPS, snapimg_fixup, index, field, value)
#define ATTRIBUTE(index, field, value)                                                                       \
	EDIT(SNAPIMG_SECTION_ATTRIBUTES, snapimg_attribute, index, field, value)
#define MEMBER(index, field, value) EDIT(SNAPIMG_SECTION_TREE, snapimg_member, index, field, value)
#define TIMER(index, field, value)  EDIT(SNAPIMG_SECTION_TIMERS, snapimg_timer, index, field, value)
#define GUARD(index, field, value)  EDIT(SNAPIMG_SECTION_GUARDS, snapimg_guard, index, field, value)

#define TASK_SIZE SYNTHETIC_TASK_SIZE
#define FAR       UINT64_MAX
/* What the synthetic image has, and embedded files. */
#define EMBEDDING (SNAPIMG_FEATURE_ZSTD | SNAPIMG_FEATURE_FILE_MAPPINGS | SNAPIMG_FEATURE_SELF_CONTAINED)

static const struct row rows[] = {
#define R(error, section, name, ...) {name, SNAPIMG_ERR_##error, section, {__VA_ARGS__}},
#include "rules.h"
#undef R
};

static const struct row thawed_rows[] = {
#define R(error, section, name, ...) {name, SNAPIMG_ERR_##error, section, {__VA_ARGS__}},
#include "rules_thawed.h"
#undef R
};

static const struct row tree_rows[] = {
#define R(error, section, name, ...) {name, SNAPIMG_ERR_##error, section, {__VA_ARGS__}},
#include "rules_tree.h"
#undef R
};

static uint8_t *place_of(const struct snapimg *original, uint8_t *bytes, const struct edit *edit)
{
	const uint8_t *place = NULL;

	if (edit->where == HEADER)
		place = original->base;
	else if (edit->where == TABLE)
		place = original->base + original->header->section_table_offset;
	else
		place = original->section[edit->where].bytes;
	return bytes + (place - original->base) + edit->offset;
}

static void test_row(const struct memory_image *memory, const struct row *row)
{
	struct memory_image copy = memory_copy(memory);
	struct snapimg original, image;
	enum snapimg_error error = snapimg_open(memory->bytes, memory->size, &original);
	uint32_t i;

	EXPECT(error == SNAPIMG_OK);
	for (i = 0; i < 3 && error == SNAPIMG_OK; i++)
		if (row->edits[i].where != NOWHERE)
			memcpy(place_of(&original, copy.bytes, &row->edits[i]), &row->edits[i].value,
			       row->edits[i].width);
	repair(copy.bytes, copy.size);
	error = snapimg_open(copy.bytes, copy.size, &image);
	EXPECT_AT(error == row->error, "%s: \"%s\" instead of \"%s\"", row->name, snapimg_strerror(error),
	          snapimg_strerror(row->error));
	if (row->section != 0)
		EXPECT_AT(image.failed_section == row->section, "%s: in section %u", row->name,
		          image.failed_section);
	memory_free(&copy);
}

int main(void)
{
	struct memory_image memory = {0};
	size_t i;

	EXPECT(synthetic_image(&memory, NULL) == SNAPIMG_OK);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		test_row(&memory, &rows[i]);
	printf("%zu rows\n", i);
	memory_free(&memory);
	EXPECT(synthetic_thawed(&memory) == SNAPIMG_OK);
	for (i = 0; i < sizeof(thawed_rows) / sizeof(*thawed_rows); i++)
		test_row(&memory, &thawed_rows[i]);
	printf("%zu rows of a thawed image\n", i);
	memory_free(&memory);
	EXPECT(synthetic_tree(&memory) == SNAPIMG_OK);
	for (i = 0; i < sizeof(tree_rows) / sizeof(*tree_rows); i++)
		test_row(&memory, &tree_rows[i]);
	printf("%zu rows of a tree\n", i);
	memory_free(&memory);
	return check_result();
}
