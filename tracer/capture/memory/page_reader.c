#include "tracer/capture/memory/page_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "format/base/proc.h"

enum status page_reader_open(pid_t pid, bool is_shared, const struct plan *plan,
                             struct page_reader *ret_reader)
{
	struct proc_path path = proc_path(pid, "mem");
	int memory = open(path.text, O_RDONLY | O_CLOEXEC);

	if (memory < 0)
		return fail(STATUS_FAILED, "can't read the program's memory: %s: %s", path.text,
		            strerror(errno));
	*ret_reader =
	        (struct page_reader){.pid = pid, .memory = memory, .is_shared = is_shared, .plan = plan};
	return STATUS_OK;
}

void page_reader_close(struct page_reader *reader)
{
	if (reader->plan)
		close(reader->memory);
	*reader = (struct page_reader){0};
}

/* Up to `size` bytes, fewer only at the file's end; or -1 with errno. */
static ssize_t read_file(int file, void *to, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pread(file, (char *)to + done, size - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static bool read_by_file(const struct page_reader *reader, const struct page_range *range, uint32_t page,
                         struct job_pages *pages, uint8_t *to)
{
	bool is_memory = range->source < 0;
	uint64_t address = range->from + (uint64_t)page * SNAPIMG_PAGE_SIZE;
	ssize_t got = read_file(is_memory ? reader->memory : range->source, to, SNAPIMG_PAGE_SIZE, address);

	if (got == SNAPIMG_PAGE_SIZE)
		return true;
	if (got >= 0 && !is_memory) { /* the file's end */
		memset(to + got, 0, SNAPIMG_PAGE_SIZE - (size_t)got);
		return true;
	}
	if (got < 0 && errno == EIO && range->may_be_missing) {
		memset(to, 0, SNAPIMG_PAGE_SIZE);
		return true;
	}
	/* /proc/PID/mem ends where the process has no memory any more (fs/proc/base.c, mem_rw). */
	pages->error = got < 0 ? errno : ESRCH;
	pages->error_address = address;
	return false;
}

uint32_t read_shared_pages(int memory, uint64_t address, uint32_t count, void *to)
{
	ssize_t got = pread(memory, to, (size_t)count * SNAPIMG_PAGE_SIZE, (off_t)address);

	return got < 0 ? 0 : (uint32_t)((size_t)got / SNAPIMG_PAGE_SIZE);
}

/* How many whole pages of the job are read in one call from this page on; it stops at the first that the
 * program may not read itself. */
static uint32_t read_at_once(const struct page_reader *reader, const struct page_range *range, uint32_t count,
                             uint32_t first_page, struct iovec local)
{
	struct iovec remote[JOB_PAGES_MAX];
	uint32_t used = 0;

	if (reader->is_shared && !range->unreadable && range->source < 0)
		return read_shared_pages(reader->memory,
		                         range->from + (uint64_t)first_page * SNAPIMG_PAGE_SIZE,
		                         range->pages - first_page, local.iov_base);
	for (; used < count && !range[used].unreadable && range[used].source < 0; used++) {
		uint32_t skip = used == 0 ? first_page : 0;
		remote[used].iov_base =
		        (void *)(uintptr_t)(range[used].from + (uint64_t)skip * SNAPIMG_PAGE_SIZE);
		remote[used].iov_len = (size_t)(range[used].pages - skip) * SNAPIMG_PAGE_SIZE;
		local.iov_len += remote[used].iov_len;
	}
	if (used == 0)
		return 0;
	ssize_t got = process_vm_readv(proc_living(reader->pid), &local, 1, remote, used, 0);
	return got < 0 ? 0 : (uint32_t)((size_t)got / SNAPIMG_PAGE_SIZE);
}

static bool read_all(const struct page_reader *reader, const struct job *job, struct job_pages *pages)
{
	const struct page_range *range = &reader->plan->range[job->range_first];
	uint32_t index = 0, page = 0; /* the next page is range[index]'s page'th */
	uint8_t *to = pages->bytes;

	while (index < job->range_count) {
		uint32_t got = read_at_once(reader, &range[index], job->range_count - index, page,
		                            (struct iovec){.iov_base = to});
		if (got == 0) {
			if (!read_by_file(reader, &range[index], page, pages, to))
				return false;
			got = 1;
		}
		to += (size_t)got * SNAPIMG_PAGE_SIZE;
		page += got;
		while (index < job->range_count && page >= range[index].pages)
			page -= range[index++].pages;
	}
	return true;
}

static bool is_zero(const uint8_t *page)
{
	static const uint8_t zeros[SNAPIMG_PAGE_SIZE];

	return memcmp(page, zeros, SNAPIMG_PAGE_SIZE) == 0;
}

/* How many pages of the range are known from its file: of the last one the file may have a part, and a
 * mapping shows zeros after it. What is not known, as the file can't be read or has become shorter, is equal
 * to nothing. */
static uint32_t read_compared(const struct page_range *range, uint8_t *to)
{
	size_t size = (size_t)range->pages * SNAPIMG_PAGE_SIZE;
	ssize_t got = range->file >= 0 ? read_file(range->file, to, size, range->file_offset) : 0;

	if (got <= 0)
		return 0;
	memset(to + got, 0, size - (size_t)got);
	return (uint32_t)(((size_t)got + SNAPIMG_PAGE_SIZE - 1) / SNAPIMG_PAGE_SIZE);
}

/* A run lies within one mapping, so none before first_run is made longer. */
static void add_page(struct job_pages *pages, uint32_t first_run, uint64_t address,
                     enum snapimg_run_kind kind)
{
	struct snapimg_run *last = pages->run_count > first_run ? &pages->run[pages->run_count - 1] : NULL;

	if (last && last->kind == kind &&
	    last->address + (uint64_t)last->pages * SNAPIMG_PAGE_SIZE == address)
		last->pages++;
	else
		pages->run[pages->run_count++] =
		        (struct snapimg_run){.address = address, .pages = 1, .kind = kind};
}

/* Packs what must be stored to the beginning of the buffer. */
static void sort_out(const struct page_range *range, const uint8_t *from, struct job_pages *pages)
{
	const uint8_t *file = pages->file_bytes;
	const uint32_t first_run = pages->run_count;
	const uint32_t known = read_compared(range, pages->file_bytes);

	for (uint32_t i = 0; i < range->pages; i++, from += SNAPIMG_PAGE_SIZE) {
		uint64_t address = range->address + (uint64_t)i * SNAPIMG_PAGE_SIZE;
		if (i < known && memcmp(from, file + (size_t)i * SNAPIMG_PAGE_SIZE, SNAPIMG_PAGE_SIZE) == 0) {
			pages->file_pages++;
		} else if (is_zero(from)) {
			pages->zero_pages++;
			if (range->zero_must_be_kept)
				add_page(pages, first_run, address, SNAPIMG_RUN_ZERO);
		} else {
			uint8_t *to = pages->bytes + (size_t)pages->stored_pages++ * SNAPIMG_PAGE_SIZE;
			if (to != from)
				memmove(to, from, SNAPIMG_PAGE_SIZE);
			add_page(pages, first_run, address, SNAPIMG_RUN_DATA);
		}
	}
}

void page_reader_read(const struct page_reader *reader, const struct job *job, struct job_pages *pages)
{
	const uint8_t *from = pages->bytes;

	pages->run_count = pages->stored_pages = pages->zero_pages = pages->file_pages = 0;
	pages->error = 0;
	if (!read_all(reader, job, pages))
		return;
	for (uint32_t i = 0; i < job->range_count; i++) {
		const struct page_range *range = &reader->plan->range[job->range_first + i];
		sort_out(range, from, pages);
		from += (size_t)range->pages * SNAPIMG_PAGE_SIZE;
	}
}
