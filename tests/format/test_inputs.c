/* The rule of inputs, and the sums that they are compared by. */
#include <string.h>

#include "../check.h"
#include "format/facts/inputs.h"
#include "format/image/check.h"

static enum snapimg_error apply(struct snapimg_input input)
{
	static const char strings[] = "\0/path\0NAME";
	const struct snapimg_input both[] = {
	        {.kind = SNAPIMG_INPUT_DIRECTORY, .name = 1},
	        input,
	};
	struct snapimg image = {0};

	image.section[SNAPIMG_SECTION_STRINGS] =
	        (struct snapimg_view){strings, sizeof(strings), sizeof(strings)};
	image.section[SNAPIMG_SECTION_INPUTS] = (struct snapimg_view){both, sizeof(both), 2};
	return snapimg_rule_input(&image, 1);
}

static void test_rule(void)
{
	EXPECT(apply((struct snapimg_input){
	               .kind = SNAPIMG_INPUT_FILE, .name = 1, .size = 1, .value = 0100644}) == SNAPIMG_OK);
	EXPECT(apply((struct snapimg_input){.kind = SNAPIMG_INPUT_ABSENT, .name = 1, .value = 1}) ==
	       SNAPIMG_OK);
	EXPECT(apply((struct snapimg_input){.kind = SNAPIMG_INPUT_VARIABLE, .name = 7}) == SNAPIMG_OK);
	const struct snapimg_input wrong[] = {
	        {.kind = 0},
	        {.kind = SNAPIMG_INPUT_LIMIT},
	        {.kind = SNAPIMG_INPUT_FILE, .name = 7},
	        {.kind = SNAPIMG_INPUT_FILE, .name = 1, .value = 0200000},
	        {.kind = SNAPIMG_INPUT_ABSENT, .name = 1, .value = 0},
	        {.kind = SNAPIMG_INPUT_ABSENT, .name = 1, .value = 2},
	        {.kind = SNAPIMG_INPUT_ABSENT, .name = 1, .value = 3},
	        {.kind = SNAPIMG_INPUT_PRESENT, .name = 1, .value = 0200000},
	        {.kind = SNAPIMG_INPUT_LINK, .name = 1, .mtime = 1},
	        {.kind = SNAPIMG_INPUT_LINK, .name = 1, .size = 1},
	        {.kind = SNAPIMG_INPUT_LINK, .name = 1, .value = 2},
	        {.kind = SNAPIMG_INPUT_LINK, .name = 1, .hash = 1},
	        {.kind = SNAPIMG_INPUT_RESOURCE, .value = 64},
	        {.kind = SNAPIMG_INPUT_UMASK, .value = 1},
	        {.kind = SNAPIMG_INPUT_STREAM, .value = 3},
	        {.kind = SNAPIMG_INPUT_STREAM, .hash = 3},
	        {.kind = SNAPIMG_INPUT_VARIABLE, .name = 7, .hash = 1},
	        {.kind = SNAPIMG_INPUT_VARIABLE, .name = 7, .value = 2},
	        {.kind = SNAPIMG_INPUT_USER, .owner = 1},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		EXPECT(apply(wrong[i]) == SNAPIMG_ERR_INPUT);
	EXPECT(apply((struct snapimg_input){.kind = SNAPIMG_INPUT_USER, .name = 100}) == SNAPIMG_ERR_STRING);
}

static void test_variables(void)
{
	char a[] = "LC_ALL=C", b[] = "LC_X=", other[] = "LANG=C", last[] = "_=x", own[] = "SNAP_X=1";
	char *one[] = {a, b, other, NULL}, *two[] = {last, b, own, a, NULL}, *three[] = {a, NULL};

	EXPECT(snapimg_hash_variables(one, "LC_") == snapimg_hash_variables(two, "LC_"));
	EXPECT(snapimg_hash_variables(one, "LC_") != snapimg_hash_variables(three, "LC_"));
	EXPECT(snapimg_hash_variables(one, "") != snapimg_hash_variables(two, ""));
	EXPECT(snapimg_hash_variables(two, "") == snapimg_hash_variables(one, "LC_"));
	EXPECT(snapimg_hash_variables(three, "X") == 0);
}

/* Entries as getdents64(2) gives them; one that is cut off ends the sum. */
static void test_entries(void)
{
	unsigned char room[64] = {0}, turned[64] = {0};

	room[16] = turned[16] = 24;
	room[24 + 16] = turned[24 + 16] = 24;
	memcpy(room + 19, "one", 4);
	memcpy(room + 24 + 19, "two", 4);
	memcpy(turned + 19, "two", 4);
	memcpy(turned + 24 + 19, "one", 4);
	EXPECT(snapimg_hash_entries(room, 48) == snapimg_hash_entries(turned, 48));
	EXPECT(snapimg_hash_entries(room, 48) != snapimg_hash_entries(room, 24));
	memcpy(turned + 19, "..", 3);
	EXPECT(snapimg_hash_entries(turned, 48) == snapimg_hash_entries(room, 24));
	EXPECT(snapimg_hash_entries(room, 0) == 0);
}

int main(void)
{
	test_rule();
	test_variables();
	test_entries();
	return check_result();
}
