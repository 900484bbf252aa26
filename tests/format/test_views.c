/* The rules of MEMORY, VIEW and RING mappings: each row is right, or wrong in one thing. */
#include <string.h>

#include "../check.h"
#include "format/image/check.h"

enum { MEMFD, PIPE, AIO, URING, OBJECTS };
enum {
	RW = SNAPIMG_PROT_READ | SNAPIMG_PROT_WRITE,
	SHARED = SNAPIMG_MAP_SHARED,
	READ_ONLY = SNAPIMG_MAP_READ_ONLY
};
#define START SNAPIMG_MEMORY_START
#define SIZE  0x3000

static const struct snapimg_object objects[OBJECTS] = {
        [MEMFD] = {.kind = SNAPIMG_OBJECT_MEMFD},
        [PIPE] = {.kind = SNAPIMG_OBJECT_PIPE},
        [AIO] = {.kind = SNAPIMG_OBJECT_AIO, .value = {SIZE / 32 - 1}},
        [URING] = {.kind = SNAPIMG_OBJECT_URING},
};
/* The mapping of the row comes between an anonymous memory and the memory of an object. */
enum { PLAIN, ANONYMOUS, ROW, OBJECT, MAPPINGS };
static const struct snapimg_mapping mappings[MAPPINGS] = {
        [PLAIN] = {.start = 0x10000, .end = 0x20000, .kind = SNAPIMG_MAPPING_ANONYMOUS},
        [ANONYMOUS] = {.start = START,
                       .end = START + SIZE,
                       .kind = SNAPIMG_MAPPING_MEMORY,
                       .protection = RW,
                       .flags = SHARED},
        [OBJECT] = {.start = SNAPIMG_MEMORY_END - SIZE,
                    .end = SNAPIMG_MEMORY_END,
                    .kind = SNAPIMG_MAPPING_MEMORY,
                    .protection = RW,
                    .flags = SHARED,
                    .file = MEMFD + 1},
};

static enum snapimg_error apply(uint64_t features, struct snapimg_mapping row)
{
	const struct snapimg_header header = {.required_features = features};
	const struct snapimg_machine machine = {.task_size = SNAPIMG_TASK_SIZE_MAX};
	const struct snapimg_run run = {.address = row.start, .pages = 1, .kind = SNAPIMG_RUN_DATA};
	struct snapimg_mapping all[MAPPINGS];
	struct snapimg image = {.header = &header};

	memcpy(all, mappings, sizeof(mappings));
	all[ROW] = row;
	image.section[SNAPIMG_SECTION_STRINGS] = (struct snapimg_view){"\0name", 6, 6};
	image.section[SNAPIMG_SECTION_MACHINE] = (struct snapimg_view){&machine, sizeof(machine), 1};
	image.section[SNAPIMG_SECTION_OBJECTS] = (struct snapimg_view){objects, sizeof(objects), OBJECTS};
	image.section[SNAPIMG_SECTION_MAPPINGS] = (struct snapimg_view){all, sizeof(all), MAPPINGS};
	image.section[SNAPIMG_SECTION_RUNS] = (struct snapimg_view){&run, sizeof(run), row.run_count};
	return snapimg_rule_mapping(&image, ROW);
}

#define CHECK_ROW(error, features, ...)                                                                      \
	EXPECT(apply(features, (struct snapimg_mapping){__VA_ARGS__}) == SNAPIMG_ERR_##error)
#define MEMORY(error, ...)                                                                                   \
	CHECK_ROW(error, SNAPIMG_FEATURE_MEMORY, .start = START + SIZE, .end = START + 2 * SIZE,             \
	          .kind = SNAPIMG_MAPPING_MEMORY, __VA_ARGS__)
/* A segment of id 7. */
#define SEGMENT(error, features, ...)                                                                        \
	CHECK_ROW(error, SNAPIMG_FEATURE_MEMORY | (features), .start = START + SIZE,                         \
	          .end = START + 2 * SIZE, .kind = SNAPIMG_MAPPING_MEMORY, .protection = RW,                 \
	          .flags = SHARED | SNAPIMG_MAP_SEGMENT, __VA_ARGS__)
#define VIEW(error, ...)                                                                                     \
	CHECK_ROW(error, SNAPIMG_FEATURE_MEMORY, .start = START + SIZE, .end = START + 2 * SIZE,             \
	          .kind = SNAPIMG_MAPPING_VIEW, __VA_ARGS__)

static void test_memories(void)
{
	MEMORY(OK, .protection = RW, .flags = SHARED);
	MEMORY(OK, .protection = RW, .flags = SHARED | SNAPIMG_MAP_NORESERVE, .file = MEMFD + 1,
	       .run_count = 1);
	MEMORY(MAPPING, .protection = RW);
	MEMORY(MAPPING, .protection = RW, .flags = SHARED | READ_ONLY);
	MEMORY(MAPPING, .protection = SNAPIMG_PROT_READ, .flags = SHARED);
	MEMORY(MAPPING, .protection = RW | SNAPIMG_PROT_EXEC, .flags = SHARED);
	MEMORY(MAPPING, .protection = RW, .flags = SHARED, .offset = 4096);
	MEMORY(MAPPING, .protection = RW, .flags = SHARED, .advice = 1);
	MEMORY(MAPPING, .protection = RW, .flags = SHARED, .name = 1);
	MEMORY(MAPPING, .protection = RW, .flags = SHARED, .file = PIPE + 1);
	MEMORY(MAPPING, .protection = RW, .flags = SHARED, .file = OBJECTS + 1);
	SEGMENT(OK, SNAPIMG_FEATURE_IPC, .file = 8, .run_count = 1);
	SEGMENT(OK, SNAPIMG_FEATURE_IPC, .file = UINT32_C(1) << 31);
	SEGMENT(MAPPING, SNAPIMG_FEATURE_IPC, .file = 0);
	SEGMENT(MAPPING, SNAPIMG_FEATURE_IPC, .file = UINT32_MAX);
	SEGMENT(MAPPING, 0, .file = 8);
	CHECK_ROW(MAPPING, 0, .start = START + SIZE, .end = START + 2 * SIZE, .kind = SNAPIMG_MAPPING_MEMORY,
	          .protection = RW, .flags = SHARED);
	CHECK_ROW(MAPPING, SNAPIMG_FEATURE_MEMORY, .start = SNAPIMG_MEMORY_END - 0x1000,
	          .end = SNAPIMG_MEMORY_END + 0x1000, .kind = SNAPIMG_MAPPING_MEMORY, .protection = RW,
	          .flags = SHARED);
}

static void test_views(void)
{
	VIEW(OK, .file = ANONYMOUS + 1, .flags = SHARED, .offset = SIZE - 0x1000);
	VIEW(OK, .file = OBJECT + 1, .flags = SHARED | READ_ONLY);
	VIEW(OK, .file = OBJECT + 1, .flags = SHARED, .offset = 16 * SIZE);
	VIEW(OK, .file = OBJECT + 1, .run_count = 1, .name = 1);
	VIEW(MAPPING, .file = ANONYMOUS + 1, .flags = SHARED, .offset = SIZE);
	VIEW(MAPPING, .file = ANONYMOUS + 1);
	VIEW(MAPPING, .file = ANONYMOUS + 1, .flags = SHARED | READ_ONLY);
	VIEW(MAPPING, .file = OBJECT + 1, .flags = SHARED, .run_count = 1);
	VIEW(MAPPING, .file = OBJECT + 1, .flags = SHARED | READ_ONLY, .protection = RW);
	VIEW(MAPPING, .file = OBJECT + 1, .offset = 1);
	VIEW(MAPPING, .file = 0, .flags = SHARED);
	VIEW(MAPPING, .file = PLAIN + 1, .flags = SHARED);
	VIEW(MAPPING, .file = ROW + 1, .flags = SHARED);
	VIEW(MAPPING, .file = MAPPINGS + 1, .flags = SHARED);
	VIEW(MAPPING, .file = UINT32_MAX, .flags = SHARED);
	CHECK_ROW(MAPPING, 0, .start = START + SIZE, .end = START + 2 * SIZE, .kind = SNAPIMG_MAPPING_VIEW,
	          .file = OBJECT + 1, .flags = SHARED);
	CHECK_ROW(MAPPING, SNAPIMG_FEATURE_MEMORY, .start = START + SIZE, .end = START + 2 * SIZE,
	          .kind = SNAPIMG_MAPPING_ANONYMOUS, .flags = READ_ONLY);
}

#define RING(error, ...)                                                                                     \
	CHECK_ROW(error, SNAPIMG_FEATURE_MEMORY | SNAPIMG_FEATURE_RINGS, .start = START + SIZE,              \
	          .end = START + 2 * SIZE, .kind = SNAPIMG_MAPPING_RING, __VA_ARGS__)

static void test_rings(void)
{
	RING(OK, .file = AIO + 1, .flags = SHARED, .protection = RW);
	RING(OK, .file = URING + 1, .flags = SHARED, .offset = SNAPIMG_URING_SQES);
	RING(MAPPING, .file = AIO + 1, .flags = SHARED);
	RING(MAPPING, .file = AIO + 1, .flags = SHARED, .protection = RW, .offset = 4096);
	CHECK_ROW(MAPPING, SNAPIMG_FEATURE_RINGS, .start = START + SIZE, .end = START + 2 * SIZE - 0x1000,
	          .kind = SNAPIMG_MAPPING_RING, .file = AIO + 1, .flags = SHARED, .protection = RW);
	RING(MAPPING, .file = URING + 1);
	RING(MAPPING, .file = URING + 1, .flags = SHARED, .run_count = 1);
	RING(MAPPING, .file = MEMFD + 1, .flags = SHARED);
	RING(MAPPING, .file = OBJECTS + 1, .flags = SHARED);
	RING(MAPPING, .file = 0, .flags = SHARED);
	CHECK_ROW(MAPPING, SNAPIMG_FEATURE_MEMORY, .start = START + SIZE, .end = START + 2 * SIZE,
	          .kind = SNAPIMG_MAPPING_RING, .file = URING + 1, .flags = SHARED);
}

int main(void)
{
	test_memories();
	test_views();
	test_rings();
	return check_result();
}
