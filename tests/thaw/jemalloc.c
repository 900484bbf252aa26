/* An allocator that gives memory back and relies on zeros. Run with LD_PRELOAD=libjemalloc.so.2. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../check.h"

enum { BLOCKS = 300, LEAST = 1000, MOST = 1 << 20 };

static uint8_t *blocks[BLOCKS];

static size_t size_of(int i)
{
	return (size_t)LEAST + (size_t)i * (MOST - LEAST) / BLOCKS;
}

static bool is_all(const uint8_t *block, size_t size, uint8_t value)
{
	for (size_t i = 0; i < size; i++)
		if (block[i] != value)
			return false;
	return true;
}

static void fill_all(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		CHECK((blocks[i] = malloc(size_of(i))) != NULL);
		memset(blocks[i], i + 1, size_of(i));
	}
}

static void free_some(int from)
{
	for (int i = from; i < BLOCKS; i += 2) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
}

static void take_zeros(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		if (blocks[i] != NULL)
			continue;
		CHECK((blocks[i] = calloc(1, size_of(i))) != NULL && is_all(blocks[i], size_of(i), 0));
		memset(blocks[i], i + 1, size_of(i));
	}
}

int main(void)
{
	extern int mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak));

	if (!mallctl)
		SKIP("no jemalloc");
	fill_all();
	free_some(0);
	snapshot_point();
	for (int round = 0; round < 4; round++) {
		take_zeros();
		for (int i = 0; i < BLOCKS; i++)
			CHECK(is_all(blocks[i], size_of(i), (uint8_t)(i + 1)));
		free_some(round % 2);
		CHECK(mallctl("arena.0.purge", NULL, NULL, NULL, 0) == 0);
	}
	puts("zeros are zeros");
	return 0;
}
