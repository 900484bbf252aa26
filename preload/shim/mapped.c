/*
 * In a program that was started from a thawed image, memory that was anonymous
 * is a private mapping of the image file. For the program that is the same,
 * but for calls by which it gives memory back, moves it or sets a mark that
 * only anonymous memory can have: MADV_DONTNEED would bring the image's bytes
 * back instead of zeros (which allocators rely on), mremap(2) would grow into
 * what follows in the file. These calls are stood before here: memory of the
 * image that they name becomes anonymous first, empty or as a copy.
 *
 * A program that was not started so pays one comparison. glibc's own calls do
 * not come by here; format/convert/chunks.c tells why they need not. For a program that
 * makes these calls by itself, with no function of the C library, nothing
 * anonymous is mapped from the image (format/convert/raw_calls.c).
 *
 * What the program has unmapped or replaced since is not in the way: the
 * kernel's own list of mappings decides, and each page is looked up at most
 * once. Nothing is allocated and no lock is taken, as this may run inside
 * malloc and in signal handlers; two calls at once for the same memory are as
 * undefined as without us.
 */
#include <asm/errno.h>
#include <asm/unistd_64.h>
#include <linux/mman.h>
#include <stddef.h>

#include "preload/contract.h"
#include "preload/shim/process_maps.h"

#define SNAP_EXPORT __attribute__((visibility("default")))
SNAP_EXPORT int madvise(void *address, size_t size, int advice);
SNAP_EXPORT void *mremap(void *old, size_t old_size, size_t new_size, int flags, void *wanted);

#pragma weak __errno_location
extern int *__errno_location(void);
#pragma weak gnu_get_libc_version
extern const char *gnu_get_libc_version(void);

enum { PAGE = 4096, WORD = 64 };
/* Newer than the headers that this may be built with. */
enum { ADVISE_DONTNEED_LOCKED = 24, ADVISE_GUARD_INSTALL = 102, REMAP_DONTUNMAP = 4 };

/* The loader writes it where the compiler sees no code that does. */
static volatile struct snap_mapped mapped __attribute__((section(SNAP_MAPPED_SECTION), used, aligned(8))) = {
        .version = SNAP_MAPPED_VERSION,
        .glibc = (const void *)gnu_get_libc_version,
};

/* A part of the program's memory that is still the image's. */
struct part {
	uint64_t start, end;
	int protection;
};

struct search {
	uint64_t start, end;
	bool found;
	struct part part;
};

static int give(long result)
{
	if (result >= 0)
		return (int)result;
	if (__errno_location)
		*__errno_location() = (int)-result;
	return -1;
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The first range that ends behind the address; mapped.count: none. */
static uint32_t first_range(uint64_t address)
{
	uint32_t low = 0, high = mapped.count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (mapped.range[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Each page of the ranges that lies in [start, end): whether its bit is set; sets it if asked to. */
static bool all_settled(uint64_t start, uint64_t end, bool settle)
{
	for (uint32_t i = first_range(start); i < mapped.count && mapped.range[i].start < end; i++) {
		const struct snap_mapped_range *range = &mapped.range[i];
		uint64_t at = max(start, range->start), stop = min(end, range->end);

		for (; at < stop; at += PAGE) {
			uint64_t page = range->first_page + (at - range->start) / PAGE;
			uint64_t bit = (uint64_t)1 << page % WORD;
			uint64_t *word = &mapped.settled[page / WORD];

			if (settle)
				__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
			else if (!(__atomic_load_n(word, __ATOMIC_RELAXED) & bit))
				return false;
		}
	}
	return true;
}

/* The image's mapping is told by its place: nothing else has these bytes of a file at this address. */
static bool look(void *context, const struct process_mapping *mapping)
{
	struct search *search = context;
	uint64_t start = max(search->start, mapping->start), end = min(search->end, mapping->end);

	if (mapping->inode == 0 || mapping->shared)
		return true;
	for (uint32_t i = first_range(start); i < mapped.count && mapped.range[i].start < end; i++) {
		const struct snap_mapped_range *range = &mapped.range[i];

		if (mapping->offset - mapping->start != range->offset - range->start)
			continue;
		search->found = true;
		search->part =
		        (struct part){max(start, range->start), min(end, range->end), mapping->protection};
		return false;
	}
	return true;
}

/* Gives the memory up as the kernel would, if it would: locked memory is not given up. */
static long empty(const struct part *part)
{
	uint64_t size = part->end - part->start;
	long result = shim_call(__NR_madvise, part->start, size, MADV_DONTNEED, 0, 0, 0);

	if (result >= 0)
		result = shim_call(__NR_mmap, part->start, size, (uint64_t)part->protection,
		                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1, 0);
	return result < 0 ? result : 0;
}

static void copy_bytes(uint64_t to, uint64_t from, uint64_t size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* A copy takes the memory's place in one step, so that other threads may go on reading it. */
static long copy(const struct part *part)
{
	uint64_t size = part->end - part->start;
	long new = shim_call(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                     (uint64_t)-1, 0);
	long result = 0;

	if (new < 0)
		return new;
	if (!(part->protection & PROT_READ))
		result = shim_call(__NR_mprotect, part->start, size, PROT_READ, 0, 0, 0);
	if (result == 0) {
		copy_bytes((uint64_t) new, part->start, size);
		result = shim_call(__NR_mprotect, (uint64_t) new, size, (uint64_t)part->protection, 0, 0, 0);
	}
	if (result == 0)
		result = shim_call(__NR_mremap, (uint64_t) new, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		                   part->start, 0);
	if (result < 0)
		shim_call(__NR_munmap, (uint64_t) new, size, 0, 0, 0, 0);
	return result < 0 ? result : 0;
}

/* Whatever of [start, end) is still the image's is treated so. EAGAIN: there is no /proc to tell. */
static long settle(uint64_t start, uint64_t end, long (*treat)(const struct part *part))
{
	struct search search = {.start = start, .end = end};

	if (start >= end || all_settled(start, end, false))
		return 0;
	while (search.start < end) {
		search.found = false;
		if (!process_maps_visit(search.start, end, look, &search))
			return -EAGAIN;
		if (!search.found)
			break;
		long result = treat(&search.part);
		if (result < 0)
			return result;
		search.start = search.part.end;
	}
	(void)all_settled(start, end, true);
	return 0;
}

/* What each advice needs of memory that is the image's; others mean the same there, or nothing. Flags are
 * those that an anonymous mapping must have from then on. */
static const struct {
	int advice;
	long (*treat)(const struct part *part);
} advices[] = {
        {MADV_DONTNEED, empty},        {MADV_FREE, empty},      {ADVISE_DONTNEED_LOCKED, empty},
        {ADVISE_GUARD_INSTALL, empty}, {MADV_WIPEONFORK, copy}, {MADV_DONTFORK, copy},
        {MADV_MERGEABLE, copy},        {MADV_HUGEPAGE, copy},   {MADV_DONTDUMP, copy},
};

int madvise(void *address, size_t size, int advice)
{
	uint64_t start = (uint64_t)address, end = start + (size + PAGE - 1) / PAGE * PAGE;

	for (unsigned i = 0; mapped.count > 0 && i < sizeof(advices) / sizeof(*advices); i++) {
		if (advices[i].advice != advice || start % PAGE != 0)
			continue;
		long result = settle(start, end, advices[i].treat);
		if (result < 0)
			return give(result);
	}
	return give(shim_call(__NR_madvise, start, size, (uint64_t)advice, 0, 0, 0));
}

struct whole {
	uint64_t start, end, at; /* `at`: so far without a hole */
	int protection;
	bool uniform;
};

static bool look_whole(void *context, const struct process_mapping *mapping)
{
	struct whole *whole = context;

	if (whole->at == whole->start)
		whole->protection = mapping->protection;
	whole->uniform = whole->uniform && mapping->start <= whole->at && !mapping->shared &&
	                 mapping->protection == whole->protection;
	whole->at = mapping->end;
	return whole->uniform;
}

/* mremap(2) takes one mapping. What was one in the image may be several now, or the image's: it becomes one
 * again. A range that never was one is left for the kernel to refuse. */
static long make_one(uint64_t start, uint64_t end)
{
	struct whole whole = {.start = start, .end = end, .at = start, .uniform = true};
	struct part part = {start, end, 0};

	if (start >= end || all_settled(start, end, false))
		return 0;
	if (!process_maps_visit(start, end, look_whole, &whole))
		return -EAGAIN;
	if (!whole.uniform || whole.at < end)
		return 0;
	part.protection = whole.protection;
	long result = copy(&part);
	if (result == 0)
		(void)all_settled(start, end, true);
	return result;
}

void *mremap(void *old, size_t old_size, size_t new_size, int flags, void *wanted)
{
	uint64_t start = (uint64_t)old, end = start + (old_size + PAGE - 1) / PAGE * PAGE;
	bool stays = new_size <= old_size && !(flags & (MREMAP_FIXED | REMAP_DONTUNMAP));
	long result = 0;

	if (mapped.count > 0 && !stays && start % PAGE == 0)
		result = make_one(start, end);
	if (result == 0)
		result = shim_call(__NR_mremap, start, old_size, new_size, (uint64_t)flags, (uint64_t)wanted,
		                   0);
	return result < 0 ? (void *)(intptr_t)give(result) : (void *)result;
}
