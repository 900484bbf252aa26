/* 200 MB of heap in blocks of many sizes, made before the point, are intact after it, and malloc goes on. */
#include <stdint.h>
#include <string.h>

#include "../check.h"

enum { TOTAL = 200 << 20, BLOCKS_MAX = 100000 };
static struct block {
	uint64_t *words;
	size_t count;
} blocks[BLOCKS_MAX];

static uint64_t mix(uint64_t value)
{
	value *= 0x9e3779b97f4a7c15u;
	return value ^ value >> 29;
}

static void fill(struct block *block, uint64_t seed)
{
	for (size_t i = 0; i < block->count; i++)
		block->words[i] = mix(seed + i);
}

static void verify(const struct block *block, uint64_t seed)
{
	for (size_t i = 0; i < block->count; i++)
		CHECK(block->words[i] == mix(seed + i));
}

int main(void)
{
	static const size_t sizes[] = {24, 100, 1000, 5000, 40000, 300000, 5000000};
	size_t used = 0, count = 0;
	for (; used < TOTAL && count < BLOCKS_MAX; count++) {
		size_t size = sizes[count % (sizeof(sizes) / sizeof(sizes[0]))];
		blocks[count] = (struct block){malloc(size), size / sizeof(uint64_t)};
		CHECK(blocks[count].words);
		fill(&blocks[count], count);
		used += size;
	}
	for (size_t i = 0; i < count; i += 5) { /* holes, as a real heap has */
		free(blocks[i].words);
		blocks[i] = (struct block){0};
	}
	snapshot_point();
	for (size_t i = 0; i < count; i++)
		verify(&blocks[i], i);
	for (size_t i = 0; i < count; i += 5) {
		blocks[i] = (struct block){malloc(4096), 4096 / sizeof(uint64_t)};
		CHECK(blocks[i].words);
		fill(&blocks[i], i);
	}
	for (size_t i = 0; i < count; i++)
		verify(&blocks[i], i);
	for (size_t i = 0; i < count; i++)
		free(blocks[i].words);
	printf("%zu blocks, %d MB\n", count, (int)(used >> 20));
	return 0;
}
