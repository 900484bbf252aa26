/*
 * huge: memory of three kinds is filled, frozen at /snap/here, and looked at afterwards: what a start may put
 * into huge pages (whole), what the program wants small, and what is mostly untouched. Prints a line for
 * each: its name, whether it is as it was, and the KiB in huge pages; and, as "can", what this kernel gives
 * who asks.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 24 << 20, PAGE = 4096, COLLAPSE = 25 };

static char *new_memory(void)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(2);
	/* A mapping of its own. */
	(void)mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory;
}

static uint64_t value_at(size_t page, uint64_t seed)
{
	return (page + 1) * 0x9e3779b97f4a7c15 ^ seed;
}

static void fill(char *memory, size_t step, uint64_t seed)
{
	for (size_t page = 0; page < SIZE / PAGE; page += step)
		for (size_t i = 0; i < PAGE; i += 512) {
			uint64_t value = value_at(page, seed) + i;
			memcpy(memory + page * PAGE + i, &value, sizeof(value));
		}
}

static bool is_as_filled(const char *memory, size_t step, uint64_t seed)
{
	for (size_t page = 0; page < SIZE / PAGE; page++)
		for (size_t i = 0; i < PAGE; i += 512) {
			uint64_t value, wanted = page % step == 0 ? value_at(page, seed) + i : 0;
			memcpy(&value, memory + page * PAGE + i, sizeof(value));
			if (value != wanted)
				return false;
		}
	return true;
}

/* Of the mapping that the address lies in. */
static void look(const char *name, const char *memory, bool is_right)
{
	char line[512], flags[512] = "";
	unsigned long start, end, huge = 0;
	bool is_in = false;
	FILE *file = fopen("/proc/self/smaps", "re");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_in = (uintptr_t)memory >= start && (uintptr_t)memory < end;
		if (is_in)
			(void)sscanf(line, "AnonHugePages: %lu", &huge);
		if (is_in && strncmp(line, "VmFlags:", 8) == 0)
			memcpy(flags, line, sizeof(line));
	}
	if (file)
		(void)fclose(file);
	printf("%s %s %lu%s\n", name, is_right ? "right" : "wrong", huge,
	       strstr(flags, " hg") ? " flagged" : "");
}

int main(void)
{
	char *whole = new_memory(), *small = new_memory(), *sparse = new_memory(), *own;

	(void)madvise(small, SIZE, MADV_NOHUGEPAGE);
	fill(whole, 1, 1);
	fill(small, 1, 2);
	fill(sparse, 2, 3);
	(void)access("/snap/here", F_OK);
	/* Looked at before it is read: what was never written becomes pages by being read. */
	look("whole", whole, true);
	look("small", small, is_as_filled(small, 1, 2));
	look("sparse", sparse, true);
	printf("content %s\n", is_as_filled(whole, 1, 1) && is_as_filled(sparse, 2, 3) ? "right" : "wrong");
	own = new_memory();
	fill(own, 1, 4);
	printf("can %d\n", madvise((void *)(((uintptr_t)own + (2 << 20)) & ~(uintptr_t)((2 << 20) - 1)),
	                           16 << 20, COLLAPSE) == 0);
	return 0;
}
