/* The rules of pending signals and of where threads stand: each row is a section that is right or wrong in
 * one thing. */
#include <string.h>

#include "../check.h"
#include "format/image/check.h"

enum { THREADS = 2, SIGNAL = 10, KILL = 9, LAST = 64 };

static const char strings[] = "\0poll\0read";
static const struct snapimg_thread threads[THREADS];

static struct snapimg image_with(uint32_t section, const void *record, uint32_t count)
{
	struct snapimg image = {0};

	image.section[SNAPIMG_SECTION_STRINGS] =
	        (struct snapimg_view){strings, sizeof(strings), sizeof(strings)};
	image.section[SNAPIMG_SECTION_THREADS] = (struct snapimg_view){threads, sizeof(threads), THREADS};
	image.section[section] = (struct snapimg_view){record, 0, count};
	return image;
}

static enum snapimg_error pending(uint32_t thread, uint32_t reserved, int32_t number)
{
	struct snapimg_pending record = {.thread = thread, .reserved_zero = reserved};

	memcpy(record.info, &number, sizeof(number));
	struct snapimg image = image_with(SNAPIMG_SECTION_PENDING, &record, 1);
	return snapimg_rule_pending(&image, 0);
}

static void test_pending(void)
{
	EXPECT(pending(0, 0, SIGNAL) == SNAPIMG_OK);
	EXPECT(pending(THREADS, 0, 1) == SNAPIMG_OK);
	EXPECT(pending(1, 0, LAST) == SNAPIMG_OK);
	EXPECT(pending(THREADS + 1, 0, SIGNAL) == SNAPIMG_ERR_PENDING);
	EXPECT(pending(UINT32_MAX, 0, SIGNAL) == SNAPIMG_ERR_PENDING);
	EXPECT(pending(1, 1, SIGNAL) == SNAPIMG_ERR_PENDING);
	EXPECT(pending(1, 0, 0) == SNAPIMG_ERR_PENDING);
	EXPECT(pending(1, 0, LAST + 1) == SNAPIMG_ERR_PENDING);
	EXPECT(pending(1, 0, -1) == SNAPIMG_ERR_PENDING);
	EXPECT(pending(1, 0, KILL) == SNAPIMG_ERR_PENDING);
}

/* Of each record in turn, as the reader asks. */
static enum snapimg_error places(const struct snapimg_place *place, uint32_t count)
{
	struct snapimg image = image_with(SNAPIMG_SECTION_PLACES, place, count);
	enum snapimg_error error = SNAPIMG_OK;

	for (uint32_t i = 0; i < count && error == SNAPIMG_OK; i++)
		error = snapimg_rule_place(&image, i);
	return error;
}

#define PLACES(...) places((const struct snapimg_place[]){__VA_ARGS__}, THREADS)

static void test_places(void)
{
	static const struct snapimg_place all[THREADS + 1];

	EXPECT(PLACES({0, 0}, {0, 0}) == SNAPIMG_OK);
	EXPECT(PLACES({SNAPIMG_PLACE_POINT, 0}, {0, 1}) == SNAPIMG_OK);
	EXPECT(PLACES({0, 6}, {SNAPIMG_PLACE_POINT, 0}) == SNAPIMG_OK);
	EXPECT(PLACES({SNAPIMG_PLACE_POINT, 0}, {SNAPIMG_PLACE_POINT, 0}) == SNAPIMG_ERR_PLACE);
	EXPECT(PLACES({2, 0}, {0, 0}) == SNAPIMG_ERR_PLACE);
	EXPECT(PLACES({0, 0}, {UINT32_C(1) << 31, 0}) == SNAPIMG_ERR_PLACE);
	EXPECT(PLACES({0, sizeof(strings)}, {0, 0}) == SNAPIMG_ERR_STRING);
	EXPECT(PLACES({0, 0}, {0, UINT32_MAX}) == SNAPIMG_ERR_STRING);
	EXPECT(places(all, THREADS - 1) == SNAPIMG_ERR_PLACE);
	EXPECT(places(all, THREADS + 1) == SNAPIMG_ERR_PLACE);
}

int main(void)
{
	test_pending();
	test_places();
	return check_result();
}
