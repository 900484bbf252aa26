/* The rules of where IDs were found: each row is right, or wrong in one thing. */
#include "../check.h"
#include "format/image/check.h"

static const struct snapimg_thread threads[2];
static const struct snapimg_mapping mappings[] = {{.start = 0x1000, .end = 0x3000}};

static enum snapimg_error apply(const struct snapimg_kept *kept, uint32_t index)
{
	struct snapimg image = {0};

	image.section[SNAPIMG_SECTION_STRINGS] = (struct snapimg_view){"\0file", 6, 6};
	image.section[SNAPIMG_SECTION_THREADS] = (struct snapimg_view){threads, sizeof(threads), 2};
	image.section[SNAPIMG_SECTION_MAPPINGS] = (struct snapimg_view){mappings, sizeof(mappings), 1};
	image.section[SNAPIMG_SECTION_KEPT] = (struct snapimg_view){kept, sizeof(*kept) * 2, 2};
	return snapimg_rule_kept(&image, index);
}

#define KEPT(error, ...)                                                                                     \
	EXPECT(apply((const struct snapimg_kept[]){{.kind = SNAPIMG_KEPT_SEARCHED}, {__VA_ARGS__}}, 1) ==    \
	       SNAPIMG_ERR_##error)
#define FIRST(error, ...)                                                                                    \
	EXPECT(apply((const struct snapimg_kept[]){{__VA_ARGS__}, {0}}, 0) == SNAPIMG_ERR_##error)

int main(void)
{
	FIRST(OK, .kind = SNAPIMG_KEPT_SEARCHED);
	FIRST(KEPT, .kind = SNAPIMG_KEPT_WORD, .address = 0x1000);
	FIRST(KEPT, .kind = SNAPIMG_KEPT_SEARCHED, .address = 1);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_SEARCHED);
	KEPT(KEPT, .kind = 0);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_PARENT_COMMON + 1, .address = 0x1000);
	KEPT(OK, .kind = SNAPIMG_KEPT_PACKED, .address = 0x1001);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_SWAPPED, .address = 0x3000);
	KEPT(OK, .kind = SNAPIMG_KEPT_CONTENT, .where = 1);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_ENTRY, .address = 8);
	KEPT(OK, .kind = SNAPIMG_KEPT_OWN_NAME, .where = 1);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_PARENT_NAME, .address = 0x3000);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_PARENT_COMMON, .address = 8);
	KEPT(OK, .kind = SNAPIMG_KEPT_WORD, .address = 0x2ffc, .thread = 1, .where = 1, .what = 1,
	     .corrected = 1);
	KEPT(OK, .kind = SNAPIMG_KEPT_TEXT, .address = 0x1001);
	KEPT(OK, .kind = SNAPIMG_KEPT_SEED, .address = 0x1000);
	KEPT(OK, .kind = SNAPIMG_KEPT_CLOCK, .address = 0x1000, .thread = 1);
	KEPT(OK, .kind = SNAPIMG_KEPT_PARENT_WORD, .address = 0x1000);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_PARENT_WORD, .address = 0x3000);
	KEPT(OK, .kind = SNAPIMG_KEPT_EXECUTABLE, .address = 0x1000);
	KEPT(OK, .kind = SNAPIMG_KEPT_COMMON);
	KEPT(OK, .kind = SNAPIMG_KEPT_PARENT, .address = 0x7fffffff);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_PARENT);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_PARENT, .address = 0x80000000);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_COMMON, .address = 8);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_WORD, .address = 0x3000);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_WORD, .address = UINT64_MAX);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_WORD, .address = 0x1000, .thread = 2);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_WORD, .address = 0x1000, .where = 6);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_WORD, .address = 0x1000, .what = 6);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_WORD, .address = 0x1000, .corrected = 2);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_WORD, .address = 0x1000, .reserved_zero = 1);
	KEPT(OK, .kind = SNAPIMG_KEPT_REGISTER, .address = sizeof(struct snapimg_thread) + 8);
	KEPT(OK, .kind = SNAPIMG_KEPT_PARENT_REGISTER, .address = 8);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_PARENT_REGISTER, .address = 4);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_REGISTER, .address = 4);
	KEPT(KEPT, .kind = SNAPIMG_KEPT_REGISTER, .address = sizeof(struct snapimg_registers));
	KEPT(KEPT, .kind = SNAPIMG_KEPT_REGISTER, .address = 2 * sizeof(struct snapimg_thread));
	return 0;
}
