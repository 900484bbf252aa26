/*
 * Memory that was filled before the snapshot and is given back, moved or marked after it: whatever the image
 * it was started from looks like, it must be what anonymous memory is.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../check.h"

enum { PAGE = 4096, PAGES = 64, SIZE = PAGES * PAGE, HUGE_BLOCK = 8 << 20 };

static void fill(uint8_t *memory, size_t size)
{
	for (size_t i = 0; i < size; i++)
		memory[i] = (uint8_t)(1 + i / PAGE % 100 + i % 7);
}

static bool is_filled(const uint8_t *memory, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (memory[i] != (uint8_t)(1 + i / PAGE % 100 + i % 7))
			return false;
	return true;
}

static bool is_zero(const uint8_t *memory, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (memory[i] != 0)
			return false;
	return true;
}

static void *map(int protection, size_t size)
{
	void *memory = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* Alone between inaccessible pages, so that nothing merges with it. */
static uint8_t *filled(size_t size)
{
	uint8_t *memory = map(PROT_NONE, size + 2 * PAGE);

	memory += PAGE;
	CHECK(mprotect(memory, size, PROT_READ | PROT_WRITE) == 0);
	fill(memory, size);
	return memory;
}

static uint8_t *given_up, *partly, *freed, *grown, *moved, *untouched, *wiped, *replaced, *unmapped, *locked,
        *unreadable, *twice, *sparse, *shrunk;
static uint8_t *block, *aligned_block;
static uint64_t noise[40000]; /* so that the image is not too small for the cache */

/* Marsaglia's xorshift. */
static uint64_t next_noise(uint64_t before)
{
	before ^= before << 13;
	before ^= before >> 7;
	return before ^ before << 17;
}

static bool is_noise(void)
{
	for (size_t i = 1; i < sizeof(noise) / sizeof(*noise); i++)
		if (noise[i] != next_noise(noise[i - 1]))
			return false;
	return true;
}

static void prepare(void)
{
	uint8_t **all[] = {&given_up, &partly,   &freed,  &grown,      &moved, &untouched, &wiped,
	                   &replaced, &unmapped, &locked, &unreadable, &twice, &shrunk};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		*all[i] = filled(SIZE);
	noise[0] = 1;
	for (size_t i = 1; i < sizeof(noise) / sizeof(*noise); i++)
		noise[i] = next_noise(noise[i - 1]);
	CHECK(mprotect(unreadable, SIZE, PROT_NONE) == 0);
	sparse = map(PROT_READ | PROT_WRITE, 16 * SIZE);
	for (int i = 0; i < 16; i++)
		fill(sparse + i * SIZE, 4 * PAGE);
	block = malloc(HUGE_BLOCK); /* with a mapping of its own */
	CHECK(block != NULL && posix_memalign((void **)&aligned_block, 16 * PAGE, HUGE_BLOCK) == 0);
	fill(block, HUGE_BLOCK);
	fill(aligned_block, HUGE_BLOCK);
}

static void give_up(void)
{
	CHECK(madvise(given_up, SIZE, MADV_DONTNEED) == 0 && is_zero(given_up, SIZE));
	fill(given_up, SIZE);
	CHECK(is_filled(given_up, SIZE));
	CHECK(madvise(partly + 8 * PAGE, 8 * PAGE, MADV_DONTNEED) == 0);
	CHECK(is_filled(partly, 8 * PAGE) && is_zero(partly + 8 * PAGE, 8 * PAGE));
	CHECK(memcmp(partly + 16 * PAGE, untouched + 16 * PAGE, SIZE - 16 * PAGE) == 0);
	CHECK(madvise(partly, SIZE, MADV_DONTNEED) == 0 && is_zero(partly, SIZE));
	/* MADV_FREE: the old bytes or zeros, and what is written stays. */
	CHECK(madvise(freed, SIZE, MADV_FREE) == 0);
	memset(freed, 7, PAGE);
	CHECK(freed[0] == 7 && freed[PAGE - 1] == 7);
	CHECK(madvise(sparse, 16 * SIZE, MADV_DONTNEED) == 0 && is_zero(sparse, 16 * SIZE));
	CHECK(madvise(unreadable, SIZE, MADV_DONTNEED) == 0 && mprotect(unreadable, SIZE, PROT_READ) == 0);
	CHECK(is_zero(unreadable, SIZE));
	for (int i = 0; i < 3; i++) {
		CHECK(madvise(twice, SIZE, MADV_DONTNEED) == 0 && is_zero(twice, SIZE));
		fill(twice, SIZE);
	}
	CHECK(madvise(given_up + 1, PAGE, MADV_DONTNEED) == -1);
}

static void keep_what_is_locked(void)
{
	if (mlock(locked, SIZE) != 0)
		return; /* not allowed to */
	CHECK(madvise(locked, SIZE, MADV_DONTNEED) == -1 && is_filled(locked, SIZE));
	CHECK(munlock(locked, SIZE) == 0);
	CHECK(madvise(locked, SIZE, MADV_DONTNEED) == 0 && is_zero(locked, SIZE));
}

static void move(void)
{
	/* The next page is taken, so it must move. */
	grown = mremap(grown, SIZE, 4 * SIZE, MREMAP_MAYMOVE);
	CHECK(grown != MAP_FAILED && is_filled(grown, SIZE) && is_zero(grown + SIZE, 3 * SIZE));
	CHECK(madvise(grown, 4 * SIZE, MADV_DONTNEED) == 0 && is_zero(grown, 4 * SIZE));

	uint8_t *place = map(PROT_NONE, SIZE);
	CHECK(mremap(moved, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place &&
	      is_filled(place, SIZE));
	CHECK(madvise(place, SIZE, MADV_DONTNEED) == 0 && is_zero(place, SIZE));

	CHECK(mremap(shrunk, SIZE, SIZE / 2, 0) == shrunk && is_filled(shrunk, SIZE / 2));
	CHECK(mremap(shrunk, SIZE / 2, SIZE, 0) == shrunk);
	CHECK(is_filled(shrunk, SIZE / 2) && is_zero(shrunk + SIZE / 2, SIZE / 2));
}

static void realloc_blocks(void)
{
	static uint8_t *volatile small; /* else the compiler makes one of both */

	block = realloc(block, 3 * HUGE_BLOCK);
	CHECK(block != NULL && is_filled(block, HUGE_BLOCK));
	fill(block, 3 * HUGE_BLOCK);
	aligned_block = realloc(aligned_block, 3 * HUGE_BLOCK);
	CHECK(aligned_block != NULL && is_filled(aligned_block, HUGE_BLOCK));
	fill(aligned_block, 3 * HUGE_BLOCK);
	small = realloc(block, HUGE_BLOCK / 2);
	CHECK(small != NULL && is_filled(small, HUGE_BLOCK / 2));
	free(small);
	free(aligned_block);
	malloc_trim(0);
	small = calloc(1, HUGE_BLOCK);
	CHECK(small != NULL && is_zero(small, HUGE_BLOCK));
}

static void wipe_in_child(void)
{
	int status;

	CHECK(madvise(wiped, SIZE, MADV_WIPEONFORK) == 0 && is_filled(wiped, SIZE));
	pid_t child = fork();
	if (child == 0)
		_exit(is_zero(wiped, SIZE) && is_filled(untouched, SIZE) ? 0 : 1);
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	CHECK(is_filled(wiped, SIZE));
}

/* What is there now is what counts, not what was there. */
static void respect_others(const char *file)
{
	FILE *stream = fopen(file, "rb");
	uint8_t head[PAGE];

	CHECK(stream != NULL && fread(head, 1, PAGE, stream) == PAGE);
	CHECK(mmap(replaced, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fileno(stream), 0) ==
	      replaced);
	memset(replaced, 1, PAGE);
	CHECK(madvise(replaced, SIZE, MADV_DONTNEED) == 0);
	CHECK(memcmp(replaced, head, PAGE) == 0 && is_zero(replaced + PAGE, SIZE - PAGE));
	CHECK(munmap(unmapped, SIZE) == 0 && madvise(unmapped, SIZE, MADV_DONTNEED) == -1);
	CHECK(mincore(unmapped, PAGE, head) == -1);
	fclose(stream);
}

int main(int argc, char **argv)
{
	(void)argc;
	prepare();
	snapshot_point();
	CHECK(is_noise());
	CHECK(is_filled(untouched, SIZE) && is_filled(block, HUGE_BLOCK) &&
	      is_filled(aligned_block, HUGE_BLOCK));
	give_up();
	keep_what_is_locked();
	move();
	realloc_blocks();
	wipe_in_child();
	respect_others(argv[0]);
	CHECK(is_filled(untouched, SIZE));
	puts("as anonymous memory is");
	return 0;
}
