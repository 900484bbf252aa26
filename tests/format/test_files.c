/* The rules of what is known of files beyond their records: each row is right, or wrong in one thing. */
#include <string.h>

#include "../check.h"
#include "format/image/check.h"

static struct snapimg_header header;
static const char bytes[100];
static const struct snapimg_file files[] = {
        {.size = 1000, .mode = 0100600},
        {.size = 1000, .mode = 040700},
        {.size = 1000, .mode = 0100600},
};
static const struct snapimg_identity made[] = {
        {.file = 1, .flags = SNAPIMG_IDENTITY_MADE},
        {.file = 3, .flags = SNAPIMG_IDENTITY_HASHED, .hash = 5},
};

static enum snapimg_error apply(uint32_t section, const void *record, size_t size, uint32_t index,
                                snapimg_rule *rule)
{
	struct snapimg image = {.header = &header};

	image.section[SNAPIMG_SECTION_BYTES] = (struct snapimg_view){bytes, sizeof(bytes), sizeof(bytes)};
	image.section[SNAPIMG_SECTION_FILES] = (struct snapimg_view){files, sizeof(files), 3};
	image.section[SNAPIMG_SECTION_IDENTITIES] = (struct snapimg_view){made, sizeof(made), 2};
	image.section[section] = (struct snapimg_view){record, size, index + 1};
	return rule(&image, index);
}

#define IDENTITY(error, ...)                                                                                 \
	EXPECT(apply(SNAPIMG_SECTION_IDENTITIES, (struct snapimg_identity[]){{.file = 1}, {__VA_ARGS__}},    \
	             2 * sizeof(struct snapimg_identity), 1, snapimg_rule_identity) == SNAPIMG_ERR_##error);
#define CARRIED(error, ...)                                                                                  \
	EXPECT(apply(SNAPIMG_SECTION_CARRIED, (struct snapimg_content[]){{.size = 10}, {__VA_ARGS__}},       \
	             2 * sizeof(struct snapimg_content), 1, snapimg_rule_carried) == SNAPIMG_ERR_##error);

static void test_identities(void)
{
	IDENTITY(OK, .file = 2)
	IDENTITY(OK, .file = 3, .flags = SNAPIMG_IDENTITY_MADE | SNAPIMG_IDENTITY_EXCLUSIVE)
	IDENTITY(OK, .file = 3, .flags = SNAPIMG_IDENTITY_HASHED, .hash = UINT64_MAX)
	IDENTITY(FILE, .file = 0)
	IDENTITY(FILE, .file = 1)
	IDENTITY(FILE, .file = 4)
	IDENTITY(FILE, .file = 2, .flags = 128)
	IDENTITY(FILE, .file = 3, .flags = SNAPIMG_IDENTITY_SCRATCH)
	IDENTITY(OK, .file = 3, .flags = SNAPIMG_IDENTITY_SCRATCH | SNAPIMG_IDENTITY_MADE)
	IDENTITY(FILE, .file = 2, .flags = SNAPIMG_IDENTITY_MADE)
	IDENTITY(FILE, .file = 2, .hash = 1)
	IDENTITY(FILE, .file = 2, .ctime_nanoseconds = 1000000000)
	IDENTITY(FILE, .file = 2, .reserved_zero = 1)
}

static void test_carried(void)
{
	CARRIED(OK, .position = 10, .size = 90, .offset = 10)
	CARRIED(OK, .position = 990, .size = 10)
	CARRIED(FILE, .object = 1, .position = 10, .size = 1)
	CARRIED(FILE, .object = 2, .position = 10, .size = 1)
	CARRIED(FILE, .object = 3, .position = 10, .size = 1)
	CARRIED(FILE, .position = 9, .size = 1)
	CARRIED(FILE, .position = 991, .size = 10)
	CARRIED(FILE, .position = UINT64_MAX, .size = 10)
	CARRIED(FILE, .position = 10, .size = 10, .offset = 91)
	CARRIED(FILE, .position = 10, .size = UINT64_MAX)
	CARRIED(FILE, .position = 10, .size = 10, .stored_size = 5) /* without the feature zstd */
	header.required_features = SNAPIMG_FEATURE_ZSTD;
	CARRIED(OK, .position = 10, .size = 10, .stored_size = 5)
	CARRIED(FILE, .position = 10, .size = 10, .stored_size = 101)
}

int main(void)
{
	test_identities();
	test_carried();
	return check_result();
}
