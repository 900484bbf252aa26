#include "tracer/ptrace/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* include/uapi/linux/fs.h of Linux 6.7; older headers lack it. */
struct scan_region {
	uint64_t start, end, categories;
};
struct scan_arguments {
	uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arguments)
enum {
	SCAN_FILE = 1 << 2,
	SCAN_PRESENT = 1 << 3,
	SCAN_SWAPPED = 1 << 4,
	SCAN_ZERO = 1 << 5,
	SCAN_GUARD = 1 << 8, /* Linux 6.16 */
};

/* Documentation/admin-guide/mm/pagemap.rst */
#define ENTRY_PRESENT   (1ull << 63)
#define ENTRY_SWAPPED   (1ull << 62)
#define ENTRY_FILE      (1ull << 61)
#define ENTRY_EXCLUSIVE (1ull << 56)
#define ENTRY_GUARD     (1ull << 58) /* Linux 6.15 */

enum { PAGE = 4096, REGIONS = 512, ENTRIES = 1 << 16 };

static bool scan_works(int pagemap, uint64_t category)
{
	struct scan_arguments probe = {.size = sizeof(probe), .return_mask = category};

	return ioctl(pagemap, SCAN_IOCTL, &probe) >= 0;
}

enum status pages_open(pid_t pid, bool allow_scan, struct pages *ret_pages)
{
	struct proc_path path = proc_path(pid, "pagemap");
	struct pages pages = {.pagemap = open(path.text, O_RDONLY | O_CLOEXEC)};

	if (pages.pagemap < 0)
		return fail(STATUS_FAILED, "can't read the program's pages: %s: %s", path.text,
		            strerror(errno));
	pages.by_scan = allow_scan && scan_works(pages.pagemap, SCAN_PRESENT);
	pages.tells_guards = pages.by_scan && scan_works(pages.pagemap, SCAN_GUARD);
	pages.buffer =
	        malloc(pages.by_scan ? REGIONS * sizeof(struct scan_region) : ENTRIES * sizeof(uint64_t));
	if (!pages.buffer) {
		close(pages.pagemap);
		return fail(STATUS_FAILED, "out of memory");
	}
	*ret_pages = pages;
	return STATUS_OK;
}

void pages_close(struct pages *pages)
{
	if (pages->buffer) {
		close(pages->pagemap);
		free(pages->buffer);
	}
	*pages = (struct pages){0};
}

static enum status scan(const struct pages *pages, struct scan_arguments arguments, pages_visitor *visit,
                        void *context)
{
	struct scan_region *region = (struct scan_region *)(void *)pages->buffer;
	enum status status = STATUS_OK;

	arguments.size = sizeof(arguments);
	arguments.regions = (uint64_t)(uintptr_t)region;
	arguments.region_count = REGIONS;

	/* walk_end is not used: where there are more regions than the kernel's own buffer of 512 holds, it
	 * may be left from an earlier round (pagemap_scan in fs/proc/task_mmu.c, seen on Linux 6.18). */
	for (int found = REGIONS; status == STATUS_OK && found == REGIONS;) {
		found = ioctl(pages->pagemap, SCAN_IOCTL, &arguments);
		if (found < 0)
			return fail(STATUS_FAILED, "can't read the program's pages: PAGEMAP_SCAN: %s",
			            strerror(errno));
		for (int i = 0; i < found && status == STATUS_OK; i++)
			status = visit(context, region[i].start, region[i].end);
		if (found > 0)
			arguments.start = region[found - 1].end;
	}
	return status;
}

static enum status walk_by_scan(const struct pages *pages, const struct vma *vma, bool of_file,
                                pages_visitor *visit, void *context)
{
	uint64_t unwanted = of_file ? SCAN_FILE : SCAN_ZERO;

	unwanted |= pages->tells_guards ? SCAN_GUARD : 0;

	return scan(pages,
	            (struct scan_arguments){
	                    .start = vma->start,
	                    .end = vma->end,
	                    .category_mask = unwanted, /* without these … */
	                    .category_inverted = unwanted,
	                    .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED, /* … but one of those */
	                    .return_mask = SCAN_PRESENT | SCAN_SWAPPED,
	            },
	            visit, context);
}

enum status pages_walk_guards(const struct pages *pages, uint64_t end, pages_visitor *visit, void *context)
{
	if (!pages->tells_guards)
		return STATUS_OK;
	return scan(
	        pages,
	        (struct scan_arguments){.end = end, .category_mask = SCAN_GUARD, .return_mask = SCAN_GUARD},
	        visit, context);
}

static bool wanted(uint64_t entry, bool of_file)
{
	if (entry & ENTRY_SWAPPED)
		return true;
	return (entry & ENTRY_PRESENT) && !(of_file && (entry & ENTRY_FILE));
}

/* How many pages there are to find, by what smaps counted; it lets the walk of a large reservation end
 * early. Zero pages aren't counted there, but look like shared ones here, so only a page that is surely
 * none is counted off. */
static uint64_t pages_of(const struct vma *vma, bool of_file)
{
	return ((of_file ? vma->anonymous : vma->rss) + vma->swap) / PAGE;
}

static enum status read_entries(const struct pages *pages, uint64_t address, uint64_t count)
{
	uint8_t *at = (uint8_t *)pages->buffer;
	uint64_t size = count * sizeof(uint64_t);
	off_t offset = (off_t)(address / PAGE * sizeof(uint64_t));

	while (size > 0) {
		ssize_t got = pread(pages->pagemap, at, size, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fail(STATUS_FAILED, "can't read the program's pages: pagemap: %s",
			            got ? strerror(errno) : "it is too short");
		at += got;
		offset += got;
		size -= (uint64_t)got;
	}
	return STATUS_OK;
}

static enum status walk_by_entries(const struct pages *pages, const struct vma *vma, bool of_file,
                                   pages_visitor *visit, void *context)
{
	uint64_t run = 0; /* where the open run began, 0: none is open */
	uint64_t left = pages_of(vma, of_file);
	uint64_t address = vma->start;
	enum status status;

	while (address < vma->end && left > 0) {
		uint64_t count = (vma->end - address) / PAGE;
		if (count > ENTRIES)
			count = ENTRIES;
		if ((status = read_entries(pages, address, count)) != STATUS_OK)
			return status;
		for (uint64_t i = 0; i < count && left > 0; i++, address += PAGE) {
			if (wanted(pages->buffer[i], of_file)) {
				if (pages->buffer[i] & (ENTRY_EXCLUSIVE | ENTRY_SWAPPED))
					left--;
				run = run ? run : address;
			} else if (run) {
				if ((status = visit(context, run, address)) != STATUS_OK)
					return status;
				run = 0;
			}
		}
	}
	return run ? visit(context, run, address) : STATUS_OK;
}

enum status pages_walk(const struct pages *pages, const struct vma *vma, bool of_file, pages_visitor *visit,
                       void *context)
{
	return pages->by_scan ? walk_by_scan(pages, vma, of_file, visit, context)
	                      : walk_by_entries(pages, vma, of_file, visit, context);
}
