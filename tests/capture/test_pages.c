/* pages_walk() by PAGEMAP_SCAN and by pagemap entries finds the same pages, which are those that were
 * written. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check.h"
#include "tracer/capture/memory/sparse.h"
#include "tracer/ptrace/pages.h"

enum { PAGE = 4096, PAGES = 6000 };

/* What a walk found: one byte a page, from start. */
struct found {
	uint64_t start;
	unsigned char seen[PAGES];
	uint64_t last_end, pages;
};

static enum status see(void *context, uint64_t start, uint64_t end)
{
	struct found *found = context;

	EXPECT(start < end && start >= found->last_end); /* in order, none twice */
	found->last_end = end;
	found->pages += (end - start) / PAGE;
	for (uint64_t at = start;
	     at < end && found->start <= at && at < found->start + (uint64_t)PAGES * PAGE; at += PAGE)
		found->seen[(at - found->start) / PAGE] = 1;
	return STATUS_OK;
}

static void walk(const void *memory, bool of_file, bool by_scan, struct found *found)
{
	struct pages pages;
	struct maps maps;

	memset(found, 0, sizeof(*found));
	found->start = (uint64_t)memory;
	if (maps_read(getpid(), &maps) != STATUS_OK || pages_open(getpid(), by_scan, &pages) != STATUS_OK) {
		EXPECT(false);
		return;
	}
	const struct vma *vma = maps_find(&maps, (uint64_t)memory);
	EXPECT(vma && pages_walk(&pages, vma, of_file, see, found) == STATUS_OK);
	pages_close(&pages);
	maps_free(&maps);
}

static unsigned char *map(size_t size, int flags, int fd)
{
	/* A neighbour of another protection keeps the mapping one by itself. */
	unsigned char *memory =
	        mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return mmap(memory + PAGE, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | flags, fd, 0);
}

static bool is_written(size_t page)
{
	return page % 3 == 0 || page % 211 < 100;
}

static void test_anonymous(bool by_scan)
{
	static struct found found;
	unsigned char *memory = map((size_t)PAGES * PAGE, MAP_ANONYMOUS, -1);
	volatile unsigned char read_only = 0;

	for (size_t i = 0; i < PAGES; i++) {
		if (is_written(i))
			memory[i * PAGE] = 1;
		else if (i % 3 == 1)
			read_only = memory[i * PAGE]; /* the zero page */
	}
	EXPECT(read_only == 0);
	walk(memory, false, by_scan, &found);
	for (size_t i = 0; i < PAGES; i++) {
		if (is_written(i))
			EXPECT(found.seen[i]);
		else if (i % 3 == 2)
			EXPECT(!found.seen[i]);
	}
	munmap(memory, (size_t)PAGES * PAGE);
}

static enum status advise(void *context, uint64_t start, uint64_t size, int advice, int64_t *ret_result)
{
	++*(unsigned int *)context;
	*ret_result = madvise((void *)start, size, advice);
	return STATUS_OK;
}

struct runs {
	unsigned int count;
	uint64_t start[8], pages;
};

static enum status note_run(void *context, uint64_t start, uint64_t end)
{
	struct runs *runs = context;

	if (runs->count < sizeof(runs->start) / sizeof(*runs->start))
		runs->start[runs->count] = start;
	runs->count++;
	runs->pages += (end - start) / PAGE;
	return STATUS_OK;
}

/* Without PAGEMAP_SCAN: what is far apart is found, and the mapping is as it was. */
static void test_sparse(int advice)
{
	const uint64_t size = 2ull << 40, where[] = {0, size / 2 - PAGE, size / 2, size - PAGE};
	unsigned char *memory =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct pages pages;
	struct maps before, after;
	struct runs runs = {0};
	unsigned int calls = 0;
	const struct adviser adviser = {advise, &calls};

	if (memory == MAP_FAILED) {
		perror("a reservation of 2 TiB");
		return;
	}
	EXPECT(madvise(memory, size, advice) == 0);
	for (size_t i = 0; i < 4; i++)
		memory[where[i]] = 1;
	EXPECT(maps_read(getpid(), &before) == STATUS_OK && pages_open(getpid(), false, &pages) == STATUS_OK);
	const struct vma *vma = maps_find(&before, (uint64_t)memory);
	EXPECT(vma && sparse_walk(&pages, getpid(), vma, &adviser, note_run, &runs) == STATUS_OK);
	EXPECT(calls > 100 && runs.pages == 4 && runs.count >= 3 && runs.start[0] == (uint64_t)memory);
	EXPECT(runs.start[1] == (uint64_t)memory + size / 2 - PAGE);
	EXPECT(runs.start[runs.count - 1] == (uint64_t)memory + size - PAGE);
	EXPECT(maps_read(getpid(), &after) == STATUS_OK);
	const struct vma *now = maps_find(&after, (uint64_t)memory);
	EXPECT(vma && now && now->start == vma->start && now->end == vma->end &&
	       strcmp(now->flags, vma->flags) == 0);
	maps_free(&before);
	maps_free(&after);
	pages_close(&pages);
	munmap(memory, size);
}

static void test_file(bool by_scan)
{
	static struct found found;
	char name[] = "/tmp/test_pages.XXXXXX";
	int fd = mkstemp(name);
	volatile unsigned char read_only = 0;

	unlink(name);
	EXPECT(ftruncate(fd, (off_t)PAGES * PAGE) == 0);
	unsigned char *memory = map((size_t)PAGES * PAGE, 0, fd);
	for (size_t i = 0; i < 1000; i++) {
		read_only = memory[i * PAGE];
		if (i % 10 == 0)
			memory[i * PAGE] = 1;
	}
	EXPECT(read_only == 0);
	walk(memory, true, by_scan, &found);
	EXPECT(found.pages == 100);
	for (size_t i = 0; i < 1000; i += 10)
		EXPECT(found.seen[i]);
	munmap(memory, (size_t)PAGES * PAGE);
	close(fd);
}

/* Takes no time, or this test would not end. */
static void test_reservation(bool by_scan)
{
	static struct found found;
	size_t size = (size_t)16 << 40;
	unsigned char *memory = map(size, MAP_ANONYMOUS | MAP_NORESERVE, -1);

	if (memory == MAP_FAILED)
		return;
	walk(memory, false, by_scan, &found);
	EXPECT(found.pages == 0);
	memory[5 * PAGE] = 1;
	if (by_scan)
		memory[size - 1] = 1;
	walk(memory, false, by_scan, &found);
	EXPECT(found.seen[5] && found.pages == (by_scan ? 2 : 1));
	munmap(memory, size);
}

int main(void)
{
	for (int by_scan = 0; by_scan <= 1; by_scan++) {
		test_anonymous(by_scan);
		test_file(by_scan);
		test_reservation(by_scan);
	}
	test_sparse(MADV_DODUMP);
	test_sparse(MADV_DONTDUMP);
	return check_result();
}
