/* The rules of pages that an earlier process of a tree has: each row is right, or wrong in one thing; and
 * what its image must have. */
#include "../check.h"
#include "format/convert/inherited.h"
#include "format/image/check.h"

enum { STACK = 1, SHARED, EMBEDDED, WIPED, PIECED };
static const struct snapimg_mapping mappings[] = {
        {.start = 0x1000, .end = 0x9000, .kind = SNAPIMG_MAPPING_ANONYMOUS},
        {.start = 0x9000, .end = 0xa000, .kind = SNAPIMG_MAPPING_STACK},
        {.start = 0xa000, .end = 0xb000, .kind = SNAPIMG_MAPPING_FILE, .flags = SNAPIMG_MAP_SHARED},
        {.start = 0xb000, .end = 0xc000, .kind = SNAPIMG_MAPPING_FILE, .flags = SNAPIMG_MAP_EMBEDDED},
        {.start = 0xc000,
         .end = 0xd000,
         .kind = SNAPIMG_MAPPING_ANONYMOUS,
         .advice = SNAPIMG_ADVICE_WIPEONFORK},
        {.start = 0xd000, .end = 0xf000, .kind = SNAPIMG_MAPPING_FILE},
        {.start = 0x20000, .end = 0x21000, .kind = SNAPIMG_MAPPING_MEMORY, .flags = SNAPIMG_MAP_SHARED},
};
static const struct snapimg_piece pieces[] = {{.start = 0xe000, .end = 0xf000, .mapping = PIECED}};
static const struct snapimg_member members[1];
static uint64_t features = SNAPIMG_FEATURE_TREE | SNAPIMG_FEATURE_THAWED;
static uint32_t member_count;

static enum snapimg_error apply(const struct snapimg_inherited *inherited, uint32_t index)
{
	struct snapimg_header header = {.required_features = features};
	struct snapimg image = {.header = &header};

	image.section[SNAPIMG_SECTION_MAPPINGS] =
	        (struct snapimg_view){mappings, sizeof(mappings), sizeof(mappings) / sizeof(*mappings)};
	image.section[SNAPIMG_SECTION_PIECES] = (struct snapimg_view){pieces, sizeof(pieces), 1};
	image.section[SNAPIMG_SECTION_INHERITED] =
	        (struct snapimg_view){inherited, 2 * sizeof(*inherited), 2};
	image.section[SNAPIMG_SECTION_TREE] = (struct snapimg_view){members, sizeof(members), member_count};
	return snapimg_rule_inherited(&image, index);
}

#define SECOND(error, ...)                                                                                   \
	EXPECT(apply((const struct snapimg_inherited[]){{.address = 0x1000, .pages = 1}, {__VA_ARGS__}},     \
	             1) == SNAPIMG_ERR_##error)

static void test_rules(void)
{
	SECOND(OK, .address = 0x2000, .pages = 7, .member = 4095);
	SECOND(OK, .address = 0x2000, .pages = 1, .offset = 0x1000);
	SECOND(OK, .address = 0x9000, .pages = 1);
	SECOND(OK, .address = 0xd000, .pages = 1, .offset = 0x7000);
	SECOND(INHERITED, .address = 0x1000, .pages = 1); /* the first one's */
	SECOND(INHERITED, .address = 0x2001, .pages = 1);
	SECOND(INHERITED, .address = 0x2000, .pages = 0);
	SECOND(INHERITED, .address = 0x2000, .pages = 8); /* into the next mapping */
	SECOND(INHERITED, .address = 0x2000, .pages = UINT32_MAX);
	SECOND(INHERITED, .address = 0x2000, .pages = 1, .member = 4096);
	SECOND(INHERITED, .address = 0x2000, .pages = 1, .offset = 0x1001);
	SECOND(INHERITED, .address = 0xf000, .pages = 1); /* in no mapping */
	SECOND(INHERITED, .address = UINT64_MAX - 4095, .pages = 1);
	SECOND(INHERITED, .address = 0x9000, .pages = 1, .offset = 0x1000); /* a stack is never a piece */
	SECOND(INHERITED, .address = 0xa000, .pages = 1);
	SECOND(INHERITED, .address = 0xb000, .pages = 1);
	SECOND(INHERITED, .address = 0xc000, .pages = 1);
	SECOND(INHERITED, .address = 0xd000, .pages = 2); /* over a piece */
	SECOND(INHERITED, .address = 0x20000, .pages = 1);
	features = SNAPIMG_FEATURE_TREE;
	SECOND(OK, .address = 0x2000, .pages = 1);
	SECOND(INHERITED, .address = 0x2000, .pages = 1, .offset = 0x1000);
	features = SNAPIMG_FEATURE_THAWED;
	SECOND(INHERITED, .address = 0x2000, .pages = 1);
	features = SNAPIMG_FEATURE_TREE;
	member_count = 1;
	SECOND(INHERITED, .address = 0x2000, .pages = 1);
}

/* What the image of the holder has. */
static void test_holder(void)
{
	static const struct snapimg_run runs[] = {
	        {.address = 0x1000, .pages = 2, .kind = SNAPIMG_RUN_DATA},
	        {.address = 0x3000, .pages = 1, .kind = SNAPIMG_RUN_DATA},
	        {.address = 0x4000, .pages = 1, .kind = SNAPIMG_RUN_ZERO},
	        {.address = 0x6000, .pages = 1, .kind = SNAPIMG_RUN_DATA},
	};
	static const struct snapimg_piece piece = {.start = 0x2000, .end = 0x4000, .offset = 0x5000};
	static const uint8_t file[0x20000];
	struct snapimg tree = {.base = file}, holder = {.base = file + 0x10000};
	static const struct {
		struct snapimg_inherited it;
		bool is_there;
	} rows[] = {
	        {{.address = 0x1000, .pages = 3}, true},
	        {{.address = 0x2000, .pages = 1}, true},
	        {{.address = 0x1000, .pages = 4}, false}, /* a page of zeros */
	        {{.address = 0x4000, .pages = 1}, false},
	        {{.address = 0x5000, .pages = 1}, false},
	        {{.address = 0x6000, .pages = 1}, true},
	        {{.address = 0x6000, .pages = 2}, false},
	        {{.address = 0x2000, .pages = 2, .offset = 0x15000}, true},
	        {{.address = 0x3000, .pages = 1, .offset = 0x16000}, true},
	        {{.address = 0x3000, .pages = 1, .offset = 0x15000}, false}, /* another page's place */
	        {{.address = 0x3000, .pages = 1, .offset = 0x6000}, false},  /* another process's */
	        {{.address = 0x1000, .pages = 2, .offset = 0x14000}, false}, /* begins before the piece */
	        {{.address = 0x6000, .pages = 1, .offset = 0x19000}, false}, /* in no piece */
	};

	holder.section[SNAPIMG_SECTION_RUNS] = (struct snapimg_view){runs, sizeof(runs), 4};
	holder.section[SNAPIMG_SECTION_PIECES] = (struct snapimg_view){&piece, sizeof(piece), 1};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		EXPECT(inherited_is_there(&tree, &holder, &rows[i].it) == rows[i].is_there);
}

int main(void)
{
	test_rules();
	test_holder();
	return check_result();
}
