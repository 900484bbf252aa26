/* Sets of addresses: every operation against the same done page by page. */
#include "tracer/hot/ranges.h"

#include <string.h>

#include "../check.h"

enum { SPACE = 24 };

static void make(uint32_t bits, struct ranges *ret_ranges)
{
	for (unsigned i = 0; i < SPACE; i++)
		if (bits >> i & 1)
			CHECK(ranges_add(ret_ranges, i, i + 1, 0) == STATUS_OK);
}

static uint32_t bits_of(const struct ranges *ranges)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < ranges->count; i++) {
		CHECK(ranges->range[i].start < ranges->range[i].end);
		CHECK(i == 0 || ranges->range[i - 1].end <= ranges->range[i].start);
		for (uint64_t at = ranges->range[i].start; at < ranges->range[i].end; at++)
			bits |= 1u << at;
	}
	return bits;
}

static void check_pair(uint32_t a, uint32_t b)
{
	struct ranges one = {0}, other = {0}, both = {0}, less = {0}, any = {0};

	make(a, &one);
	make(b, &other);
	CHECK(bits_of(&one) == a && bits_of(&other) == b);
	CHECK(ranges_intersect(&one, &other, &both) == STATUS_OK && bits_of(&both) == (a & b));
	CHECK(ranges_subtract(&one, &other, &less) == STATUS_OK && bits_of(&less) == (a & ~b));
	CHECK(ranges_unite(&one, &other, 0, &any) == STATUS_OK && bits_of(&any) == (a | b));
	ranges_free(&one);
	ranges_free(&other);
	ranges_free(&both);
	ranges_free(&less);
	ranges_free(&any);
}

/* Gaps up to the limit are bridged, and what was appended stays apart. */
static void check_gaps(void)
{
	struct ranges ranges = {0};

	CHECK(ranges_add(&ranges, 0, 2, 3) == STATUS_OK && ranges_add(&ranges, 5, 6, 3) == STATUS_OK);
	CHECK(ranges.count == 1 && ranges.range[0].end == 6);
	CHECK(ranges_add(&ranges, 10, 11, 3) == STATUS_OK && ranges.count == 2);
	CHECK(ranges_append(&ranges, 11, 12) == STATUS_OK && ranges.count == 3);
	ranges_free(&ranges);
}

int main(void)
{
	uint32_t state = 1;

	for (int i = 0; i < 20000; i++) {
		uint32_t a, b;
		state = state * 1664525u + 1013904223u;
		a = state >> 8 & ((1u << SPACE) - 1);
		state = state * 1664525u + 1013904223u;
		b = state >> 8 & ((1u << SPACE) - 1);
		check_pair(a, b);
	}
	check_gaps();
	return 0;
}
