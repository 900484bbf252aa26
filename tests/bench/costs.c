/* bench_costs: what single things take on this machine, a line each: NAME NANOSECONDS. The best of some
 * tries. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 2048, SIZE = PAGES * PAGE, TRIES = 15 };

static uint8_t source[SIZE], target[SIZE];
static volatile uint8_t seen;

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static uint8_t *map(int flags, int fd)
{
	uint8_t *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | flags, fd, 0);

	if (memory == MAP_FAILED)
		exit(1);
	madvise(memory, SIZE, MADV_NOHUGEPAGE);
	return memory;
}

static void write_each(uint8_t *memory)
{
	for (size_t i = 0; i < SIZE; i += PAGE)
		memory[i] = 1;
}

static void read_each(const uint8_t *memory)
{
	for (size_t i = 0; i < SIZE; i += PAGE)
		seen = memory[i];
}

/* A file in the page cache, so that only the mapping is measured. */
static int cached_file(void)
{
	FILE *file = tmpfile();

	if (!file || fwrite(source, 1, SIZE, file) != SIZE || fflush(file) != 0)
		exit(1);
	return fileno(file);
}

static long long fault_anonymous(void)
{
	uint8_t *memory = map(MAP_ANONYMOUS, -1);
	long long began = now();
	write_each(memory);
	long long took = now() - began;
	munmap(memory, SIZE);
	return took / PAGES;
}

static long long populate_anonymous(void)
{
	long long began = now();
	uint8_t *memory =
	        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	long long took = now() - began;
	munmap(memory, SIZE);
	return took / PAGES;
}

static long long of_file(void (*touch)(uint8_t *memory))
{
	static int fd;
	fd = fd ? fd : cached_file();
	uint8_t *memory = map(0, fd);
	long long began = now();
	touch(memory);
	long long took = now() - began;
	munmap(memory, SIZE);
	return took / PAGES;
}

static void read_file(uint8_t *memory)
{
	read_each(memory);
}

static void populate_read(uint8_t *memory)
{
	madvise(memory, SIZE, MADV_POPULATE_READ);
}

static void populate_write(uint8_t *memory)
{
	madvise(memory, SIZE, MADV_POPULATE_WRITE);
}

static long long file_read(void)
{
	return of_file(read_file);
}

static long long file_write(void)
{
	return of_file(write_each);
}

static long long file_populate_read(void)
{
	return of_file(populate_read);
}

static long long file_populate_write(void)
{
	return of_file(populate_write);
}

static long long copy(void)
{
	long long began = now();
	memcpy(target, source, SIZE);
	return (now() - began) / PAGES;
}

static long long call(void)
{
	long long began = now();
	for (int i = 0; i < PAGES; i++)
		syscall(SYS_getppid);
	return (now() - began) / PAGES;
}

int main(void)
{
	static const struct {
		const char *name;
		long long (*measure)(void);
	} costs[] = {
	        {"a fault, anonymous page written", fault_anonymous},
	        {"a populated anonymous page", populate_anonymous},
	        {"a page of a cached file, read by touch (the kernel maps those around it too)", file_read},
	        {"a page of a cached file, written by touch (a private copy)", file_write},
	        {"a page of a cached file, MADV_POPULATE_READ", file_populate_read},
	        {"a page of a cached file, MADV_POPULATE_WRITE", file_populate_write},
	        {"a copied page", copy},
	        {"a system call", call},
	};

	memset(source, 1, SIZE);
	memset(target, 1, SIZE);
	for (size_t i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
		long long best = costs[i].measure();
		for (int j = 1; j < TRIES; j++) {
			long long took = costs[i].measure();
			best = took < best ? took : best;
		}
		printf("%s %lld\n", costs[i].name, best);
	}
	return 0;
}
