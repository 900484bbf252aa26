/* The rule of the clock record: each clock is a time that the kernel can show. */
#include "../check.h"
#include "format/image/check.h"

static enum snapimg_error apply(struct snapimg_clocks clocks)
{
	struct snapimg image = {0};

	image.section[SNAPIMG_SECTION_CLOCKS] = (struct snapimg_view){&clocks, sizeof(clocks), 1};
	return snapimg_rule_clocks(&image, 0);
}

int main(void)
{
	const uint64_t most = INT64_MAX;

	CHECK(apply((struct snapimg_clocks){0}) == SNAPIMG_OK);
	CHECK(apply((struct snapimg_clocks){most, most, most, most}) == SNAPIMG_OK);
	CHECK(apply((struct snapimg_clocks){.realtime = most + 1}) == SNAPIMG_ERR_CLOCKS);
	CHECK(apply((struct snapimg_clocks){.monotonic = most + 1}) == SNAPIMG_ERR_CLOCKS);
	CHECK(apply((struct snapimg_clocks){.boottime = most + 1}) == SNAPIMG_ERR_CLOCKS);
	CHECK(apply((struct snapimg_clocks){.processor = most + 1}) == SNAPIMG_ERR_CLOCKS);
	return 0;
}
