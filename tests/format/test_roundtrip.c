/* What the writer wrote, the reader gives back; the writer is deterministic and refuses what the reader
 * would. */
#include <string.h>

#include "../check.h"
#include "synthetic.h"

static void check_counts(const struct snapimg *image)
{
	EXPECT(snapimg_file_count(image) == SYNTHETIC_FILES);
	EXPECT(snapimg_mapping_count(image) == SYNTHETIC_MAPPINGS);
	EXPECT(snapimg_run_count(image) == SYNTHETIC_RUNS);
	EXPECT(snapimg_extent_count(image) == SYNTHETIC_EXTENTS);
	EXPECT(snapimg_thread_count(image) == SYNTHETIC_THREADS);
	EXPECT(snapimg_descriptor_count(image) == SYNTHETIC_DESCRIPTORS);
	EXPECT(image->header->required_features ==
	       (SNAPIMG_FEATURE_ZSTD | SNAPIMG_FEATURE_FILE_MAPPINGS | SNAPIMG_FEATURE_THREADS));
}

static void check_records(const struct snapimg *image)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	const struct snapimg_thread *thread = snapimg_get_thread(image);
	const struct snapimg_file *file = snapimg_get_file(image);

	EXPECT(mapping[0].run_count == 0 && mapping[1].run_first == 0 && mapping[1].run_count == 2);
	EXPECT(mapping[2].run_first == 2 && mapping[2].run_count == 2 && mapping[9].run_count == 2);
	EXPECT(mapping[0].name == mapping[1].name && mapping[0].name == file[0].path);
	EXPECT(strcmp(snapimg_string(image, mapping[9].name), "[stack]") == 0);
	EXPECT(strcmp(snapimg_string(image, mapping[2].name), "") == 0);
	EXPECT(extent[0].offset == SNAPIMG_HEADER_AREA && extent[1].offset == 2 * SNAPIMG_PAGE_SIZE);
	EXPECT(extent[1].raw_size == 2 * SNAPIMG_PAGE_SIZE && extent[3].run_first == 6);
	EXPECT(thread[0].registers.rip == 0x401000 && strcmp(thread[1].comm, "fifteen letters") == 0);
	EXPECT(snapimg_get_process(image)->brk == 0x409000);
	EXPECT(snapimg_get_machine(image)->task_size == SYNTHETIC_TASK_SIZE);
	EXPECT(strcmp(snapimg_string(image, snapimg_get_origin(image)->point), "main") == 0);
	EXPECT(snapimg_get_fixup(image)[2].argument == 112 && snapimg_get_auxv(image)[1].value == 0x401000);
	EXPECT(snapimg_get_sigaction(image)[1].signal == 13 && snapimg_get_descriptor(image)[5].source == 5);
	EXPECT(memcmp(image->section[SNAPIMG_SECTION_ENVIRONMENT].bytes, "HOME=", 5) == 0);
}

static void test_roundtrip(void)
{
	struct memory_image memory = {0}, again = {0};
	uint8_t digest[SNAPIMG_DIGEST_SIZE] = {0};
	struct snapimg image;
	uint32_t i;

	EXPECT(synthetic_image(&memory, digest) == SNAPIMG_OK);
	EXPECT(synthetic_image(&again, NULL) == SNAPIMG_OK);
	EXPECT(memory.size == again.size && memcmp(memory.bytes, again.bytes, memory.size) == 0);
	EXPECT(snapimg_open(memory.bytes, memory.size, &image) == SNAPIMG_OK);
	EXPECT(memcmp(image.header->digest, digest, sizeof(digest)) == 0);
	check_counts(&image);
	check_records(&image);
	for (i = 0; i < snapimg_extent_count(&image); i++)
		EXPECT_AT(snapimg_check_extent(&image, snapimg_get_extent(&image) + i) == SNAPIMG_OK,
		          "extent %u", i);
	memory_free(&memory);
	memory_free(&again);
}

/* Fails at the call that brings `left` to 0. */
struct failing_sink {
	struct memory_image memory;
	unsigned left;
};

static int failing_sink(void *context, uint64_t offset, const void *bytes, size_t size)
{
	struct failing_sink *sink = context;

	return --sink->left == 0 ? -1 : memory_sink(&sink->memory, offset, bytes, size);
}

static void test_sink_failures(void)
{
	enum snapimg_error error = SNAPIMG_ERR_SINK;
	unsigned calls;

	for (calls = 1; error != SNAPIMG_OK && calls < 1000; calls++) {
		struct failing_sink sink = {.left = calls};
		struct snapimg_writer *writer = snapimg_writer_new(failing_sink, &sink);
		uint64_t size = 1;

		(void)!synthetic_put(writer);
		error = snapimg_writer_finish(writer, &size, NULL);
		EXPECT_AT(error == SNAPIMG_OK || (error == SNAPIMG_ERR_SINK && size == 1), "call %u", calls);
		if (error != SNAPIMG_OK)
			EXPECT(snapimg_writer_finish(writer, NULL, NULL) == SNAPIMG_ERR_SINK);
		snapimg_writer_free(writer);
		memory_free(&sink.memory);
	}
	EXPECT(calls > 10 && calls < 1000);
}

/* Records added to a whole process that make it wrong, and what _finish says. */
static enum snapimg_error finish_with(enum snapimg_section_type type, const void *record, size_t size,
                                      unsigned times, uint32_t *ret_section)
{
	struct memory_image memory = {0};
	struct snapimg_writer *writer = snapimg_writer_new(memory_sink, &memory);
	enum snapimg_error error;
	uint64_t index;

	(void)!synthetic_put(writer);
	while (times-- > 0)
		(void)!snapimg_writer_add(writer, type, record, size);
	error = snapimg_writer_finish(writer, NULL, NULL);
	snapimg_writer_failure(writer, ret_section, &index);
	snapimg_writer_free(writer);
	memory_free(&memory);
	return error;
}

static void test_refusals(void)
{
	const struct snapimg_mapping mapping = {
	        .start = 0x1000, .end = 0x2000, .kind = SNAPIMG_MAPPING_ANONYMOUS};
	const struct snapimg_auxv auxv = {6, 4096};
	const struct snapimg_thread thread = {.comm = "third"};
	const struct snapimg_process process = {0};
	uint32_t section;

	EXPECT(finish_with(SNAPIMG_SECTION_AUXV, &auxv, sizeof(auxv), 61, &section) == SNAPIMG_OK);
	EXPECT(finish_with(SNAPIMG_SECTION_AUXV, &auxv, sizeof(auxv), 62, &section) == SNAPIMG_ERR_ARGUMENTS);
	EXPECT(section == SNAPIMG_SECTION_AUXV);
	EXPECT(finish_with(SNAPIMG_SECTION_MAPPINGS, &mapping, sizeof(mapping), 1, &section) ==
	       SNAPIMG_ERR_MAPPING);
	EXPECT(section == SNAPIMG_SECTION_MAPPINGS);
	EXPECT(finish_with(SNAPIMG_SECTION_THREADS, &thread, sizeof(thread), 1, &section) ==
	       SNAPIMG_ERR_PROCESS);
	EXPECT(finish_with(SNAPIMG_SECTION_PROCESS, &process, sizeof(process), 1, &section) ==
	       SNAPIMG_ERR_SECTION_MISSING);
	EXPECT(finish_with(SNAPIMG_SECTION_THREADS, &thread, 1, 1, &section) == SNAPIMG_ERR_SECTION_TABLE);
	EXPECT(finish_with(SNAPIMG_SECTION_RUNS, &auxv, sizeof(auxv), 1, &section) ==
	       SNAPIMG_ERR_SECTION_TABLE);
}

static void test_strings(void)
{
	struct memory_image memory = {0};
	struct snapimg_writer *writer = snapimg_writer_new(memory_sink, &memory);
	uint32_t offset, again, i;
	char text[16];

	for (i = 0; i < 5000; i++) {
		(void)snprintf(text, sizeof(text), "string %u", i % 2500);
		EXPECT(snapimg_writer_string(writer, text, &offset) == SNAPIMG_OK);
		if (i == 0)
			EXPECT(offset == 1);
	}
	EXPECT(snapimg_writer_string(writer, "string 0", &again) == SNAPIMG_OK && again == 1);
	EXPECT(snapimg_writer_string(writer, "string 2499", &again) == SNAPIMG_OK && again == offset);
	EXPECT(snapimg_writer_string(writer, "", &again) == SNAPIMG_OK && again == 0);
	snapimg_writer_free(writer);
	snapimg_writer_free(NULL);
}

/* A process without pages has no DATA, RUNS and EXTENTS at all. */
static void test_no_pages(void)
{
	struct memory_image full = {0}, memory = {0};
	struct snapimg_writer *writer = snapimg_writer_new(memory_sink, &memory);
	struct snapimg image;

	EXPECT(synthetic_image(&full, NULL) == SNAPIMG_OK);
	EXPECT(snapimg_open(full.bytes, full.size, &image) == SNAPIMG_OK);
	EXPECT(snapimg_writer_copy_records(writer, &image) == SNAPIMG_OK);
	EXPECT(snapimg_writer_finish(writer, NULL, NULL) == SNAPIMG_OK);
	snapimg_writer_free(writer);
	EXPECT(snapimg_open(memory.bytes, memory.size, &image) == SNAPIMG_OK);
	EXPECT(snapimg_extent_count(&image) == 0 && image.section[SNAPIMG_SECTION_DATA].bytes == NULL);
	EXPECT(image.header->metadata_offset == SNAPIMG_HEADER_AREA);
	memory_free(&full);
	memory_free(&memory);
}

int main(void)
{
	test_roundtrip();
	test_sink_failures();
	test_refusals();
	test_strings();
	test_no_pages();
	return check_result();
}
