/* What is left to a file is only what the file was read to have: of this test's own memory. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check.h"
#include "tracer/capture/memory/page_reader.h"

enum { PAGE = SNAPIMG_PAGE_SIZE, PAGES = 4 };

static uint8_t *memory;

/* Reads the memory as a range that is compared with the file. */
static void compare_with(int file, struct job_pages *pages)
{
	struct page_range range = {.address = (uintptr_t)memory,
	                           .from = (uintptr_t)memory,
	                           .source = -1,
	                           .pages = PAGES,
	                           .file = file,
	                           .zero_must_be_kept = true};
	struct job job = {.range_count = 1, .pages = PAGES};
	struct plan plan = {.range = &range, .range_count = 1, .job = &job, .job_count = 1};
	struct page_reader reader;
	static uint8_t bytes[PAGES * PAGE], file_bytes[PAGES * PAGE];

	*pages = (struct job_pages){.bytes = bytes, .file_bytes = file_bytes};
	EXPECT(page_reader_open(getpid(), false, &plan, &reader) == STATUS_OK);
	page_reader_read(&reader, &job, pages);
	page_reader_close(&reader);
	EXPECT(pages->error == 0);
}

static int file_of(size_t size, int flags)
{
	char name[] = "/tmp/test_page_reader.XXXXXX";
	int made = mkstemp(name);
	int file = open(name, flags | O_CLOEXEC);

	EXPECT(made >= 0 && file >= 0 && write(made, memory, size) == (ssize_t)size);
	EXPECT(unlink(name) == 0);
	close(made);
	return file;
}

static void expect(const struct job_pages *pages, uint32_t file, uint32_t zero, uint32_t stored)
{
	EXPECT(pages->file_pages == file && pages->zero_pages == zero && pages->stored_pages == stored);
}

/* The memory: a page of ones, a page that is half ones, a page of zeros, a page of twos. */
static void test_whole(void)
{
	struct job_pages pages;
	int file = file_of((size_t)PAGES * PAGE, O_RDONLY);

	compare_with(file, &pages);
	expect(&pages, PAGES, 0, 0);
	close(file);
}

/* It ends within the second page, whose rest is zeros in the memory, too; what follows is the program's own.
 */
static void test_shorter(void)
{
	struct job_pages pages;
	int file = file_of(PAGE + PAGE / 2, O_RDONLY);

	compare_with(file, &pages);
	expect(&pages, 2, 1, 1);
	EXPECT(pages.run_count == 2 && pages.run[0].kind == SNAPIMG_RUN_ZERO &&
	       pages.run[0].address == (uintptr_t)memory + 2 * PAGE && pages.run[1].kind == SNAPIMG_RUN_DATA);
	close(file);
}

static void test_empty(void)
{
	struct job_pages pages;
	int file = file_of(0, O_RDONLY);

	compare_with(file, &pages);
	expect(&pages, 0, 1, 3);
	close(file);
}

/* A read that fails tells nothing, so a page of zeros is not taken for the file's. */
static void test_unreadable(void)
{
	struct job_pages pages;
	int file = file_of((size_t)PAGES * PAGE, O_WRONLY);

	compare_with(file, &pages);
	expect(&pages, 0, 1, 3);
	close(file);
}

int main(void)
{
	memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	memset(memory, 1, PAGE + PAGE / 2);
	memset(memory + 3 * PAGE, 2, PAGE);
	test_whole();
	test_shorter();
	test_empty();
	test_unreadable();
	return check_result();
}
