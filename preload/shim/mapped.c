/*
 * In a program that was started from a thawed image, memory that was anonymous
 * is a private mapping of the image file. For the program that is the same,
 * but for calls by which it gives memory back, moves it or sets a mark that
 * only anonymous memory can have: MADV_DONTNEED would bring the image's bytes
 * back instead of zeros (which allocators rely on), mremap(2) would grow into
 * what follows in the file. These calls are stood before, here and in move.c,
 * calls.c and realloc.c: memory of the image that they name becomes anonymous
 * first, empty or with its bytes.
 *
 * A program that was not started so pays one comparison. The C library's own
 * calls do not come by here, but that of realloc, which does (realloc.c); the
 * others need no zeros back: MADV_DONTNEED of a stack that is kept for the next
 * thread in nptl/allocatestack.c (its TLS is cleared), of a heap's end in
 * malloc/arena.c (calloc clears what was ever writable) and of free chunks in
 * malloc_trim (calloc clears them), all so in glibc 2.31 to 2.43. Where glibc
 * wants guard pages in a stack (2.42) and a file's memory can't have them
 * (before Linux 6.15), it goes on with mprotect(2). For a program that makes
 * these calls by itself, with no function of the C library, nothing anonymous
 * is mapped from the image (format/convert/raw_calls.c).
 *
 * What the program has unmapped or replaced since is not in the way: the
 * kernel's own list of mappings decides, and each page is looked up at most
 * once. Nothing is allocated and no lock is taken, as this may run inside
 * malloc and in signal handlers; two calls at once for the same memory are as
 * undefined as without us.
 */
#include "preload/shim/mapped.h"

#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/mman.h>

#include "preload/shim/process_maps.h"

SNAP_EXPORT int madvise(void *address, size_t size, int advice);
SNAP_EXPORT long process_madvise(int descriptor, const void *ranges, size_t count, int advice,
                                 unsigned flags);

#pragma weak gnu_get_libc_version
extern const char *gnu_get_libc_version(void);

enum { WORD = 64 };
/* Newer than the headers that this may be built with. */
enum {
	ADVISE_DONTNEED_LOCKED = 24,
	ADVISE_COLLAPSE = 25,
	ADVISE_GUARD_INSTALL = 102,
	SELF_THREAD = -10000, /* PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP (Linux 6.14) */
	SELF_PROCESS = -10001
};

volatile struct snap_mapped snap_mapped_table
        __attribute__((section(SNAP_MAPPED_SECTION), used, aligned(8))) = {
                .version = SNAP_MAPPED_VERSION,
                .glibc = (const void *)gnu_get_libc_version,
};
#define mapped snap_mapped_table

struct search {
	uint64_t start, end;
	bool found;
	struct part part;
};

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The first range that ends after the address; mapped.count: none. */
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

		for (; at < stop; at += SHIM_PAGE) {
			uint64_t page = range->first_page + (at - range->start) / SHIM_PAGE;
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

bool mapped_overlaps(uint64_t start, uint64_t end)
{
	uint32_t i = mapped.count > 0 && start < end ? first_range(start) : mapped.count;

	return i < mapped.count && mapped.range[i].start < end;
}

bool mapped_touches(uint64_t start, uint64_t end)
{
	return mapped.count > 0 && start < end && !all_settled(start, end, false);
}

void mapped_note_settled(uint64_t start, uint64_t end)
{
	(void)all_settled(start, end, true);
}

/* The first range that the image has in the mapping from `from` on, or mapped.count. It is told by its place:
 * nothing else has these bytes of a file at this address. */
static uint32_t image_range(const struct process_mapping *mapping, uint64_t from, uint64_t to)
{
	uint32_t i;

	if (mapping->inode == 0 || mapping->shared)
		return mapped.count;
	for (i = first_range(from); i < mapped.count && mapped.range[i].start < to; i++)
		if (mapping->offset - mapping->start == mapped.range[i].offset - mapped.range[i].start)
			return i;
	return mapped.count;
}

bool mapped_is_image(const struct process_mapping *mapping)
{
	return image_range(mapping, mapping->start, mapping->end) < mapped.count;
}

static bool look(void *context, const struct process_mapping *mapping)
{
	struct search *search = context;
	uint64_t start = max(search->start, mapping->start), end = min(search->end, mapping->end);
	uint32_t i = image_range(mapping, start, end);

	search->found = i < mapped.count;
	if (search->found) {
		search->part.start = max(start, mapped.range[i].start);
		search->part.end = min(end, mapped.range[i].end);
		search->part.protection = mapping->protection;
		search->part.range = i + 1;
	}
	return !search->found;
}

/* Whatever of [start, end) is still the image's is treated so. EAGAIN: there is no /proc to tell. */
static long settle(uint64_t start, uint64_t end, long (*treat)(const struct part *part), int advice)
{
	struct search search = {.start = start, .end = end, .part.advice = advice};

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
	mapped_note_settled(start, end);
	return 0;
}

long mapped_make_anonymous(uint64_t start, uint64_t end)
{
	return mapped_touches(start, end) ? settle(start, end, anonymous_replace, 0) : 0;
}

/* Asked of anonymous memory that has no file. */
static long refuse(const struct part *part)
{
	(void)part;
	return -EINVAL;
}

/* What each advice needs of memory that is the image's; all others can be given to a private mapping of a
 * file, and mean the same there. */
static const struct {
	int advice;
	long (*treat)(const struct part *part);
} advices[] = {
        {MADV_DONTNEED, anonymous_empty},
        {MADV_FREE, anonymous_empty},
        {ADVISE_DONTNEED_LOCKED, anonymous_empty},
        {ADVISE_GUARD_INSTALL, anonymous_empty},
        {MADV_WIPEONFORK, anonymous_replace},
        {ADVISE_COLLAPSE, anonymous_replace},
        {MADV_REMOVE, refuse},
};

/* Of these the mapping must keep something when it becomes anonymous later, or must lack it then. */
static bool changes_marks(int advice)
{
	static const int marks[] = {MADV_SEQUENTIAL, MADV_RANDOM,     MADV_DONTFORK,   MADV_DONTDUMP,
	                            MADV_MERGEABLE,  MADV_NOHUGEPAGE, MADV_HUGEPAGE,   MADV_NORMAL,
	                            MADV_DOFORK,     MADV_DODUMP,     MADV_UNMERGEABLE};

	for (unsigned i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (marks[i] == advice)
			return true;
	return false;
}

long mapped_before_advice(uint64_t start, uint64_t end, int advice)
{
	if (!mapped_touches(start, end))
		return 0;
	if (changes_marks(advice))
		mapped.advised = SNAP_MAPPED_SOME;
	for (unsigned i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		if (advices[i].advice == advice)
			return settle(start, end, advices[i].treat, advice);
	return 0;
}

long mapped_advise(uint64_t start, uint64_t size, int advice)
{
	uint64_t end = start + shim_page_ceil(size);

	/* Of no bytes, it only says whether the kernel knows the advice. */
	if (start % SHIM_PAGE == 0 && mapped_touches(start, end) &&
	    shim_call(__NR_madvise, start, 0, (uint64_t)advice, 0, 0, 0) == 0) {
		long result = mapped_before_advice(start, end, advice);
		if (result < 0)
			return result;
	}
	return shim_call(__NR_madvise, start, size, (uint64_t)advice, 0, 0, 0);
}

int madvise(void *address, size_t size, int advice)
{
	return (int)shim_give(mapped_advise((uint64_t)address, size, advice));
}

static bool is_self(int descriptor)
{
	return descriptor == SELF_THREAD || descriptor == SELF_PROCESS || process_is_self(descriptor);
}

/* Others' memory can only be advised what does them no harm (mm/madvise.c, process_madvise_remote_valid). */
long mapped_advise_process(int descriptor, uint64_t ranges, uint64_t count, int advice, uint64_t flags)
{
	struct range {
		uint64_t start, size;
	} range;
	enum { RANGES_MAX = 1024 }; /* UIO_MAXIOV */

	for (uint64_t i = 0; mapped.count > 0 && i < count && count <= RANGES_MAX; i++) {
		/* Of no ranges, it only says whether it may be done. */
		if (i == 0 && (!is_self(descriptor) || shim_call(__NR_process_madvise, (uint64_t)descriptor,
		                                                 0, 0, (uint64_t)advice, flags, 0) < 0))
			break;
		if (!process_read_self(&range, ranges + i * sizeof(range), sizeof(range)))
			break;
		if (range.start % SHIM_PAGE != 0)
			break;
		long result =
		        mapped_before_advice(range.start, range.start + shim_page_ceil(range.size), advice);
		if (result < 0)
			return result;
	}
	return shim_call(__NR_process_madvise, (uint64_t)descriptor, ranges, count, (uint64_t)advice, flags,
	                 0);
}

long process_madvise(int descriptor, const void *ranges, size_t count, int advice, unsigned flags)
{
	return shim_give(mapped_advise_process(descriptor, (uint64_t)ranges, count, advice, flags));
}
