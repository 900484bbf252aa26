/*
 * Memory that only mappings lead to is looked at by one more of them, made in the target:
 * mremap(2) with an old size of 0 shows the same memory from there on, as long as one wants. What lies before
 * the first mapping can't be reached by the program either, and isn't kept.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "tracer/capture/memory/shared.h"
#include "tracer/ptrace/memory.h"
#include "tracer/refusals.h"

static uint64_t page_floor(uint64_t size)
{
	return size / SNAPIMG_PAGE_SIZE * SNAPIMG_PAGE_SIZE;
}

static uint64_t page_ceil(uint64_t size)
{
	return page_floor(size + SNAPIMG_PAGE_SIZE - 1);
}

static enum status hide(const struct remote *remote, struct shared_memory *memory)
{
	int64_t result;
	uint64_t start = memory->view;

	memory->view = 0;
	return remote_call(remote, &result, SYS_munmap, start, memory->view_end - start, 0, 0);
}

static const struct vma *lowest_shared(const struct shared_memory *memory)
{
	size_t i = 0;

	while (!memory->showing[i]->vma->shared)
		i++;
	return memory->showing[i]->vma;
}

static enum status look(const struct remote *remote, struct shared_memory *memory, uint64_t size)
{
	const struct vma *vma = lowest_shared(memory);
	enum status status;
	int64_t view, result;

	if ((status = remote_call(remote, &view, SYS_mremap, vma->start, 0, size, MREMAP_MAYMOVE)) !=
	    STATUS_OK)
		return status;
	if (view < 0)
		return refuse_shared(memory, "shared memory that can't be looked at", "choose another point");
	memory->view = (uint64_t)view;
	memory->view_end = memory->view + size;
	memory->offset = vma->offset;
	return remote_call(remote, &result, SYS_mprotect, memory->view, size, PROT_READ, 0);
}

static bool has_page(const struct remote *remote, const struct shared_memory *memory, uint64_t page)
{
	uint8_t byte;

	return tracee_read(remote->tid, memory->view + page * SNAPIMG_PAGE_SIZE, &byte, 1) == 0;
}

/* Pages are there up to the memory's end and not past it (mm/filemap.c, mm/shmem.c: SIGBUS). */
static uint64_t find_end(const struct remote *remote, const struct shared_memory *memory, uint64_t low,
                         uint64_t high)
{
	while (low < high) { /* all below low are there, high is not */
		uint64_t middle = low + (high - low) / 2;
		if (has_page(remote, memory, middle))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum status shared_show(const struct remote *remote, struct shared_memory *memory)
{
	const struct vma *first = lowest_shared(memory);
	uint64_t pages = 0;
	enum status status;

	for (size_t i = 0; i < memory->count; i++) {
		const struct vma *vma = memory->showing[i]->vma;
		uint64_t end = vma->offset + (vma->end - vma->start);
		if (vma->shared && (end - first->offset) / SNAPIMG_PAGE_SIZE > pages)
			pages = (end - first->offset) / SNAPIMG_PAGE_SIZE;
	}
	/* Most end where a mapping does. */
	if ((status = look(remote, memory, (pages + 1) * SNAPIMG_PAGE_SIZE)) != STATUS_OK)
		return status;
	uint64_t low = 0, high = pages;
	while (has_page(remote, memory, high)) {
		low = high + 1;
		high = low * 2;
		if ((status = hide(remote, memory)) != STATUS_OK ||
		    (status = look(remote, memory, (high + 1) * SNAPIMG_PAGE_SIZE)) != STATUS_OK)
			return status;
	}
	if (high > low && has_page(remote, memory, high - 1))
		low = high;
	memory->size = memory->offset + find_end(remote, memory, low, high) * SNAPIMG_PAGE_SIZE;
	return STATUS_OK;
}

enum status shared_show_segment(const struct remote *remote, struct shared_memory *memory)
{
	enum status status;
	int64_t view;

	if ((status = remote_call(remote, &view, SYS_shmat, memory->segment - 1, 0, SHM_RDONLY, 0)) !=
	    STATUS_OK)
		return status;
	if (view < 0)
		return refuse("System V shared memory that can't be looked at", "give it mode 0600",
		              "id %u: %s", memory->segment - 1, strerror((int)-view));
	memory->view = (uint64_t)view;
	memory->view_end = memory->view + page_ceil(memory->size);
	memory->offset = 0;
	return STATUS_OK;
}

/* smaps counts what is swapped out of all that a mapping of such memory shows (shmem_swap_usage()). */
static enum status is_swapped(const struct remote *remote, const struct shared_memory *memory,
                              bool *ret_swapped)
{
	struct sysinfo system;
	struct maps maps;
	enum status status;

	*ret_swapped = false;
	if (sysinfo(&system) == 0 && system.totalswap == system.freeswap)
		return STATUS_OK;
	if ((status = maps_read(remote->tid, &maps)) != STATUS_OK)
		return status;
	const struct vma *view = maps_find(&maps, memory->view);
	*ret_swapped = !view || view->swap > 0;
	maps_free(&maps);
	return STATUS_OK;
}

/* mincore(2) sees the memory's pages, but none that is swapped out, and of a file on a disk only what is in
 * the page cache. */
static enum status mincore_tells_all(const struct remote *remote, const struct shared_memory *memory,
                                     bool *ret_all)
{
	static const char *const unbacked[] = {"/memfd:", "/dev/zero", "[anon_shmem:"};
	bool found = memory->segment != 0, swapped = false;
	enum status status = STATUS_OK;

	for (size_t i = 0; !found && i < sizeof(unbacked) / sizeof(*unbacked); i++)
		found = found || strncmp(memory->first->name, unbacked[i], strlen(unbacked[i])) == 0;
	if (found)
		status = is_swapped(remote, memory, &swapped);
	*ret_all = found && !swapped;
	return status;
}

static enum status walk_view(const struct remote *remote, const struct shared_memory *memory,
                             pages_visitor *visit, void *context)
{
	uint8_t resident[SNAPIMG_PAGE_SIZE];
	uint64_t run = UINT64_MAX; /* where the open run began */
	enum status status;
	bool all;

	if ((status = mincore_tells_all(remote, memory, &all)) != STATUS_OK)
		return status;
	if (!all)
		return visit(context, memory->offset, memory->size);
	for (uint64_t at = memory->offset; at < memory->size;) {
		uint64_t pages = (memory->size - at) / SNAPIMG_PAGE_SIZE;
		if (pages > sizeof(resident))
			pages = sizeof(resident);
		if ((status = remote_fetch(remote, "resident pages", resident, pages, SYS_mincore,
		                           memory->view + (at - memory->offset), pages * SNAPIMG_PAGE_SIZE,
		                           remote->scratch, 0)) != STATUS_OK)
			return status;
		for (uint64_t i = 0; i < pages; i++, at += SNAPIMG_PAGE_SIZE) {
			bool is_there = resident[i] & 1;
			if (is_there && run == UINT64_MAX)
				run = at;
			if (!is_there && run != UINT64_MAX) {
				if ((status = visit(context, run, at)) != STATUS_OK)
					return status;
				run = UINT64_MAX;
			}
		}
	}
	return run == UINT64_MAX ? STATUS_OK : visit(context, run, memory->size);
}

static enum status walk_file(const struct shared_memory *memory, pages_visitor *visit, void *context)
{
	off_t size = (off_t)memory->size;
	enum status status = STATUS_OK;

	for (off_t at = 0; at < size && status == STATUS_OK;) {
		off_t data = lseek(memory->content, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break; /* only a hole follows */
		data = data < 0 ? at : data;
		off_t hole = lseek(memory->content, data, SEEK_HOLE);
		hole = hole < 0 || hole > size ? size : hole;
		uint64_t start = page_floor((uint64_t)data), end = page_ceil((uint64_t)hole);
		start = start < (uint64_t)at ? (uint64_t)at : start;
		if (start < end)
			status = visit(context, start, end);
		at = (off_t)end;
	}
	return status;
}

enum status shared_walk(const struct remote *remote, const struct shared_memory *memory, pages_visitor *visit,
                        void *context)
{
	if (memory->size == 0)
		return STATUS_OK;
	return memory->content >= 0 ? walk_file(memory, visit, context)
	                            : walk_view(remote, memory, visit, context);
}
