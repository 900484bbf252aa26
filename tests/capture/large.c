/*
 * large MEBIBYTES: has so much memory in one piece, every page of it present and another, and a quarter more
 * with every second page present, which makes the longest tables. Names /snap/here, tells that it went on,
 * and ends at the end of its input, with 0 if nothing of it changed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = 4 }; /* few, so that the image is small and quickly made */

static void number(uint64_t page, uint64_t word[WORDS])
{
	for (uint64_t i = 0; i < WORDS; i++)
		word[i] = (page * WORDS + i + 1) * 0x9e3779b97f4a7c15u;
}

static void fill(uint8_t *memory, size_t size, size_t step)
{
	uint64_t word[WORDS];

	for (size_t at = 0; at < size; at += step) {
		number(at / PAGE, word);
		memcpy(memory + at, word, sizeof(word));
	}
}

static int holds(const uint8_t *memory, size_t size, size_t step)
{
	uint64_t word[WORDS];

	for (size_t at = 0; at < size; at += step) {
		number(at / PAGE, word);
		if (memcmp(memory + at, word, sizeof(word)) != 0)
			return 0;
	}
	return 1;
}

static uint8_t *map(size_t size)
{
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	madvise(memory, size, MADV_NOHUGEPAGE); /* which would make the pages between present */
	return memory;
}

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) << 20 : 0, quarter = size / 4;
	uint8_t *whole = map(size), *parts = map(quarter);
	char byte = '.';

	fill(whole, size, PAGE);
	fill(parts, quarter, (size_t)PAGE * 2);
	access("/snap/here", F_OK);
	if (write(1, &byte, 1) != 1 || read(0, &byte, 1) != 0)
		return 1;
	return !(holds(whole, size, PAGE) && holds(parts, quarter, (size_t)PAGE * 2));
}
