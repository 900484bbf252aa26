/* The table of processor features, and this machine's. */
#include <stdbool.h>
#include <string.h>

#include "../check.h"
#include "format/facts/cpu.h"

static void test_table(void)
{
	uint32_t i, k;

	EXPECT(snapimg_cpu_feature_count > 50);
	for (i = 0; i < snapimg_cpu_feature_count; i++) {
		const struct snapimg_cpu_feature *feature = &snapimg_cpu_features[i];

		EXPECT_AT(feature->word < SNAPIMG_CPU_WORDS_USED && feature->bit < 32, "%s", feature->name);
		EXPECT_AT(feature->name[0] != '\0' && feature->name[sizeof(feature->name) - 1] == '\0',
		          "row %u", i);
		for (k = 0; k < i; k++) {
			const struct snapimg_cpu_feature *other = &snapimg_cpu_features[k];

			EXPECT_AT(strcmp(feature->name, other->name) != 0, "%s twice", feature->name);
			EXPECT_AT(feature->word != other->word || feature->bit != other->bit, "%s and %s",
			          feature->name, other->name);
		}
	}
}

static bool has(const uint32_t *words, const char *name)
{
	const struct snapimg_cpu_feature *feature;
	uint32_t row = 0;

	while ((feature = snapimg_cpu_next(words, row)) != NULL) {
		if (strcmp(feature->name, name) == 0)
			return true;
		row = (uint32_t)(feature - snapimg_cpu_features) + 1;
	}
	return false;
}

/* __builtin_cpu_supports also looks at what the kernel enabled, so it may only know less. */
static void test_this_machine(void)
{
	uint32_t words[SNAPIMG_CPU_WORDS], again[SNAPIMG_CPU_WORDS], i;

	memset(words, 0xff, sizeof(words));
	snapimg_cpu_read(words);
	snapimg_cpu_read(again);
	EXPECT(memcmp(words, again, sizeof(words)) == 0);
	for (i = SNAPIMG_CPU_WORDS_USED; i < SNAPIMG_CPU_WORDS; i++)
		EXPECT(words[i] == 0);
	EXPECT(has(words, "sse2"));
#define SAME(name) EXPECT(!__builtin_cpu_supports(name) || has(words, name))
	SAME("ssse3");
	SAME("popcnt");
	SAME("avx");
	SAME("avx2");
	SAME("bmi2");
	SAME("fma");
	SAME("avx512f");
	SAME("avx512vl");
	SAME("gfni");
	SAME("vpclmulqdq");
#undef SAME
	EXPECT(!__builtin_cpu_supports("avx") || has(words, "xcr0_avx"));
}

static void test_next(void)
{
	uint32_t words[SNAPIMG_CPU_WORDS] = {0};

	EXPECT(snapimg_cpu_next(words, 0) == NULL);
	words[SNAPIMG_CPU_7_EBX] = 1u << 5;
	EXPECT(has(words, "avx2") && !has(words, "avx"));
	EXPECT(snapimg_cpu_next(words, snapimg_cpu_feature_count) == NULL);
}

int main(void)
{
	test_table();
	test_this_machine();
	test_next();
	return check_result();
}
