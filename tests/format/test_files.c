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
        {.size = 1000, .mode = 040700, .check = SNAPIMG_CHECK_EXISTS},
};
static const struct snapimg_identity made[] = {
        {.file = 1, .flags = SNAPIMG_IDENTITY_MADE},
        {.file = 3, .flags = SNAPIMG_IDENTITY_HASHED, .hash = 5},
        {.file = 4, .flags = SNAPIMG_IDENTITY_MADE},
};

static enum snapimg_error apply(uint32_t section, const void *record, size_t size, uint32_t index,
                                snapimg_rule *rule)
{
	struct snapimg image = {.header = &header};

	image.section[SNAPIMG_SECTION_BYTES] = (struct snapimg_view){bytes, sizeof(bytes), sizeof(bytes)};
	image.section[SNAPIMG_SECTION_FILES] = (struct snapimg_view){files, sizeof(files), 4};
	image.section[SNAPIMG_SECTION_IDENTITIES] = (struct snapimg_view){made, sizeof(made), 3};
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
	IDENTITY(FILE, .file = 5)
	IDENTITY(FILE, .file = 2, .flags = 512)
	IDENTITY(FILE, .file = 3, .flags = SNAPIMG_IDENTITY_ANOTHERS) /* without a tree */
	header.required_features = SNAPIMG_FEATURE_TREE;
	IDENTITY(OK, .file = 3, .flags = SNAPIMG_IDENTITY_ANOTHERS)
	IDENTITY(FILE, .file = 3, .flags = SNAPIMG_IDENTITY_ANOTHERS | SNAPIMG_IDENTITY_MADE)
	header.required_features = 0;
	IDENTITY(FILE, .file = 3, .flags = SNAPIMG_IDENTITY_SCRATCH)
	IDENTITY(OK, .file = 3, .flags = SNAPIMG_IDENTITY_SCRATCH | SNAPIMG_IDENTITY_MADE)
	IDENTITY(FILE, .file = 3, .flags = SNAPIMG_IDENTITY_NAMED)
	IDENTITY(FILE, .file = 3, .flags = SNAPIMG_IDENTITY_NAMED | SNAPIMG_IDENTITY_MADE) /* not check 2 */
	IDENTITY(OK, .file = 4, .flags = SNAPIMG_IDENTITY_NAMED | SNAPIMG_IDENTITY_MADE)
	IDENTITY(FILE, .file = 2, .flags = SNAPIMG_IDENTITY_MADE)
	IDENTITY(OK, .file = 4, .flags = SNAPIMG_IDENTITY_MADE)
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
	CARRIED(FILE, .object = 3, .position = 10, .size = 1) /* a directory */
	CARRIED(FILE, .object = 4, .position = 10, .size = 1)
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

static const char strings[] =
        "\0/a\0/a/b\0/b\0/\0/a/\0/a//b\0/a/../b\0/./a\0/..\0/dev\0/dev/null\0/proc/1\0/sys\0"
        "/device\0a\0/a/...\0/\xff";
static const struct snapimg_root roots[] = {
        {.path = 1, .kind = SNAPIMG_ROOT_DIRECTORY},
        {.path = 4, .kind = SNAPIMG_ROOT_FILE, .size = 1000},
        {.path = 9, .kind = SNAPIMG_ROOT_FILE, .size = 100},
};

static uint32_t at(const char *text)
{
	for (uint32_t i = 1; i < sizeof(strings); i++)
		if (strings[i - 1] == '\0' && strcmp(strings + i, text) == 0)
			return i;
	return sizeof(strings);
}

static enum snapimg_error apply_root(uint32_t section, const void *record, size_t size, uint32_t index,
                                     snapimg_rule *rule)
{
	struct snapimg image = {.header = &header};

	image.section[SNAPIMG_SECTION_BYTES] = (struct snapimg_view){bytes, sizeof(bytes), sizeof(bytes)};
	image.section[SNAPIMG_SECTION_STRINGS] =
	        (struct snapimg_view){strings, sizeof(strings), sizeof(strings)};
	image.section[SNAPIMG_SECTION_ROOT] = (struct snapimg_view){roots, sizeof(roots), 3};
	image.section[section] = (struct snapimg_view){record, size, index + 1};
	return rule(&image, index);
}

/* After "/a". */
#define ROOT(error, ...)                                                                                     \
	EXPECT(apply_root(SNAPIMG_SECTION_ROOT, (struct snapimg_root[]){roots[0], {__VA_ARGS__}},            \
	                  2 * sizeof(struct snapimg_root), 1, snapimg_rule_root) == SNAPIMG_ERR_##error);
#define ROOTDATA(error, ...)                                                                                 \
	EXPECT(apply_root(SNAPIMG_SECTION_ROOTDATA,                                                          \
	                  (struct snapimg_content[]){{.object = 1, .size = 10}, {__VA_ARGS__}},              \
	                  2 * sizeof(struct snapimg_content), 1,                                             \
	                  snapimg_rule_rootdata) == SNAPIMG_ERR_##error);

static void test_root(void)
{
	static const char *const wrong[] = {"/",    "/a/",       "/a//b",   "/a/../b", "/./a", "/..",
	                                    "/dev", "/dev/null", "/proc/1", "/sys",    "a",    "/a"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ROOT(FILE, .path = at(wrong[i]), .kind = SNAPIMG_ROOT_FILE)
	ROOT(OK, .path = at("/a/b"), .kind = SNAPIMG_ROOT_FILE, .mode = 0777, .size = 5)
	ROOT(OK, .path = at("/a/..."), .kind = SNAPIMG_ROOT_DIRECTORY)
	ROOT(OK, .path = at("/device"), .kind = SNAPIMG_ROOT_LINK, .target = at("a"))
	ROOT(OK, .path = at("/\xff"), .kind = SNAPIMG_ROOT_FILE, .size = SNAPIMG_ROOT_SIZE_MAX)
	ROOT(STRING, .path = sizeof(strings), .kind = SNAPIMG_ROOT_FILE)
	ROOT(STRING, .path = at("/b"), .kind = SNAPIMG_ROOT_LINK, .target = sizeof(strings))
	ROOT(FILE, .path = at("/b"), .kind = 0)
	ROOT(FILE, .path = at("/b"), .kind = 4)
	ROOT(FILE, .path = at("/b"), .kind = SNAPIMG_ROOT_FILE, .mode = 01000)
	ROOT(FILE, .path = at("/b"), .kind = SNAPIMG_ROOT_FILE, .target = at("a"))
	ROOT(FILE, .path = at("/b"), .kind = SNAPIMG_ROOT_LINK)
	ROOT(FILE, .path = at("/b"), .kind = SNAPIMG_ROOT_LINK, .target = at("a"), .size = 1)
	ROOT(FILE, .path = at("/b"), .kind = SNAPIMG_ROOT_DIRECTORY, .size = 1)
	ROOT(FILE, .path = at("/b"), .kind = SNAPIMG_ROOT_FILE, .size = SNAPIMG_ROOT_SIZE_MAX + 1)
	ROOT(FILE, .path = at("/b"), .kind = SNAPIMG_ROOT_FILE, .mtime_nanoseconds = 1000000000)
	ROOT(FILE, .path = at("/b"), .kind = SNAPIMG_ROOT_FILE, .reserved_zero = 1)
}

static void test_rootdata(void)
{
	ROOTDATA(OK, .object = 1, .position = 10, .size = 90, .offset = 10)
	ROOTDATA(OK, .object = 2, .size = 100)
	ROOTDATA(FILE, .object = 0, .size = 1)
	ROOTDATA(FILE, .object = 3, .size = 1)
	ROOTDATA(FILE, .object = UINT32_MAX, .size = 1)
	ROOTDATA(FILE, .object = 1, .position = 9, .size = 1)
	ROOTDATA(FILE, .object = 2, .position = 1, .size = 100)
	ROOTDATA(FILE, .object = 2, .position = UINT64_MAX, .size = 2)
	ROOTDATA(FILE, .object = 2, .size = 10, .offset = 91)
}

int main(void)
{
	test_identities();
	test_carried();
	test_root();
	test_rootdata();
	return check_result();
}
