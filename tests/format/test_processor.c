/* The rule of the processor record, and what the levels are made of. */
#include <stdbool.h>

#include "../check.h"
#include "format/facts/cpu.h"
#include "format/image/check.h"

static enum snapimg_error apply(struct snapimg_processor processor)
{
	struct snapimg image = {0};

	image.section[SNAPIMG_SECTION_PROCESSOR] = (struct snapimg_view){&processor, sizeof(processor), 1};
	return snapimg_rule_processor(&image, 0);
}

/* Each has what the one below has, and none what only says which copy is fast. */
static void test_levels(void)
{
	uint32_t words[SNAPIMG_LEVELS][SNAPIMG_CPU_WORDS];

	for (uint32_t level = SNAPIMG_LEVEL_X86_64; level < SNAPIMG_LEVELS; level++) {
		snapimg_cpu_of_level(level, words[level]);
		for (uint32_t i = 0; i < SNAPIMG_CPU_WORDS && level > SNAPIMG_LEVEL_X86_64; i++)
			EXPECT((words[level - 1][i] & ~words[level][i]) == 0);
		EXPECT((words[level][SNAPIMG_CPU_7_EBX] & 1u << 9) == 0); /* erms */
	}
	EXPECT(words[SNAPIMG_LEVEL_X86_64][SNAPIMG_CPU_1_ECX] == 0);
	EXPECT(words[SNAPIMG_LEVEL_X86_64_V2][SNAPIMG_CPU_1_ECX] ==
	       (1u << 0 | 1u << 9 | 1u << 13 | 3u << 19 | 1u << 23));
	EXPECT(words[SNAPIMG_LEVEL_X86_64_V2][SNAPIMG_CPU_XCR0_LOW] == 0);
	EXPECT(words[SNAPIMG_LEVEL_X86_64_V3][SNAPIMG_CPU_7_EBX] == (1u << 3 | 1u << 5 | 1u << 8));
	EXPECT(words[SNAPIMG_LEVEL_X86_64_V3][SNAPIMG_CPU_XCR0_LOW] == 6);
}

static void test_hints(void)
{
	uint32_t words[SNAPIMG_CPU_WORDS] = {0};

	words[SNAPIMG_CPU_7_EBX] = 1u << 9 | 1u << 5;
	words[SNAPIMG_CPU_7_EDX] = 1u << 4;
	snapimg_cpu_leave_hints(words);
	EXPECT(words[SNAPIMG_CPU_7_EBX] == 1u << 5 && words[SNAPIMG_CPU_7_EDX] == 0);
}

int main(void)
{
	EXPECT(apply((struct snapimg_processor){0}) == SNAPIMG_OK);
	EXPECT(apply((struct snapimg_processor){.level = SNAPIMG_LEVEL_X86_64_V3, .flags = 1}) == SNAPIMG_OK);
	EXPECT(apply((struct snapimg_processor){.level = SNAPIMG_LEVELS}) == SNAPIMG_ERR_PROCESSOR);
	EXPECT(apply((struct snapimg_processor){.flags = 2}) == SNAPIMG_ERR_PROCESSOR);
	EXPECT(apply((struct snapimg_processor){.reserved_zero = 1}) == SNAPIMG_ERR_PROCESSOR);
	test_levels();
	test_hints();
	return check_result();
}
