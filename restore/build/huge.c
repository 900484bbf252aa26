/*
 * A page costs more to make than to fill: 12 MB take 8.6 to 11.6 ms in pages of 4 KiB, 2.1 to 4.2 in huge
 * ones. MADV_COLLAPSE (Linux 6.1) makes one of 2 MiB in which a single page was touched, for any user,
 * whatever /sys/kernel/mm/transparent_hugepage/enabled says, and leaves no flag on the mapping.
 *
 * The kernel holds its lock over the address space for that, so it is done by whoever needs the first page
 * there, while the others decode. Extents are filled in the order of their addresses, or nearly: what is
 * collapsed is always empty, and nothing is copied.
 */
#include "restore/build/huge.h"

#include <linux/futex.h>

#include "restore/base/memory.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/build/inherited.h"
#include "restore/loader.h"

enum {
	COLLAPSE = 25, /* MADV_COLLAPSE */
	HUGE_SIZE = 2 << 20,
	HUGE_PAGES = HUGE_SIZE / SNAPIMG_PAGE_SIZE,
	WORTH_IT = HUGE_PAGES * 3 / 4, /* stored; so memory grows by a third at most */
	TOGETHER_LEAST = 4,            /* blocks: for fewer the call costs what it saves */
	TOGETHER_MOST = 16,            /* others wait so long */
	FAILURES_MAX = 8,              /* memory is short, or in pieces */
};

enum { FREE, TAKEN, AWAITED };
static struct {
	uint32_t lock;     /* FREE, … */
	uint32_t failures; /* FAILURES_MAX: no more is tried */
	uint64_t settled;  /* what begins below it is done */
	uint32_t mapping;  /* that is looked at */
	uint32_t run;      /* the first that may reach into what follows */
	bool is_looked_at; /* whether the image allows it */
} huge;

/* Whoever waits has its memory collapsed by another, and can do nothing before. */
static void enter(void)
{
	uint32_t seen = FREE;
	if (__atomic_compare_exchange_n(&huge.lock, &seen, TAKEN, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&huge.lock, AWAITED, __ATOMIC_ACQUIRE) != FREE)
		sys(__NR_futex, &huge.lock, FUTEX_WAIT, AWAITED, NULL);
}

static void leave(void)
{
	if (__atomic_exchange_n(&huge.lock, FREE, __ATOMIC_RELEASE) == AWAITED)
		sys(__NR_futex, &huge.lock, FUTEX_WAKE, 1);
}

/* Not where the program had switched it off, nor where pieces of the image lie between its own pages. */
static bool image_allows(void)
{
	const struct snapimg_attribute *attribute = snapimg_get_attribute(&loader.image);
	bool allows = snapimg_piece_count(&loader.image) == 0 &&
	              (snapimg_get_process(&loader.image)->flags & SNAPIMG_PROCESS_NO_THP) == 0;
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++)
		allows = allows && attribute[i].kind != SNAPIMG_ATTRIBUTE_HUGE_PAGES;
	return allows;
}

static bool may_be_huge(const struct snapimg_mapping *mapping)
{
	const uint32_t refused = SNAPIMG_ADVICE_NOHUGEPAGE | SNAPIMG_ADVICE_LOCKED |
	                         SNAPIMG_ADVICE_LOCKED_ON_FAULT | SNAPIMG_ADVICE_MERGEABLE;
	/* What is inherited is there already. */
	return mapping->kind == SNAPIMG_MAPPING_ANONYMOUS && mapping->run_count > 0 &&
	       !inherited_has(mapping) &&
	       (mapping->flags & (SNAPIMG_MAP_SHARED | SNAPIMG_MAP_DROPPABLE)) == 0 &&
	       (mapping->advice & refused) == 0;
}

/* Of the block's pages; huge.run goes on to what reaches past it. */
static uint32_t count_stored(uint64_t start)
{
	const struct snapimg_run *run = snapimg_get_run(&loader.image);
	uint32_t pages = 0;
	for (; huge.run < snapimg_run_count(&loader.image) && run[huge.run].address < start + HUGE_SIZE;
	     huge.run++) {
		uint64_t from = run[huge.run].address, to = snapimg_run_end(&run[huge.run]);
		if (to <= start)
			continue;
		from = from > start ? from : start;
		uint64_t until = to < start + HUGE_SIZE ? to : start + HUGE_SIZE;
		pages += (uint32_t)((until - from) / SNAPIMG_PAGE_SIZE);
		if (to > start + HUGE_SIZE)
			break; /* the rest of it is in the next block */
	}
	return pages;
}

/* One call for all, for in each the kernel has every processor empty its lists of new pages
 * (lru_add_drain_all() in mm/khugepaged.c), and waits for the busiest. */
static void make_huge(uint64_t start, uint64_t end)
{
	if ((end - start) / HUGE_SIZE < TOGETHER_LEAST)
		return;
	for (uint64_t block = start; block < end; block += HUGE_SIZE)
		*(volatile uint8_t *)block = 0; /* a page must be there */
	if (sys(__NR_madvise, start, end - start, COLLAPSE) < 0)
		huge.failures++;
}

/* Those that begin below `end`, and what follows them at once. */
static void settle_mapping(const struct snapimg_mapping *mapping, uint64_t end)
{
	uint64_t start = (mapping->start + HUGE_SIZE - 1) & ~(uint64_t)(HUGE_SIZE - 1);
	start = start > huge.settled ? start : huge.settled;
	while (start < end && start + HUGE_SIZE <= mapping->end && huge.failures < FAILURES_MAX) {
		uint64_t next = start;
		while (next + HUGE_SIZE <= mapping->end &&
		       next < start + (uint64_t)TOGETHER_MOST * HUGE_SIZE && count_stored(next) >= WORTH_IT)
			next += HUGE_SIZE;
		make_huge(start, next);
		/* The block at `next`, if there is one, was looked at, and is not worth it; unless there were
		 * enough. */
		bool is_full = next == start + (uint64_t)TOGETHER_MOST * HUGE_SIZE;
		start = is_full || next + HUGE_SIZE > mapping->end ? next : next + HUGE_SIZE;
		__atomic_store_n(&huge.settled, start, __ATOMIC_RELEASE);
	}
}

void huge_expect(uint64_t end)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	if (end <= __atomic_load_n(&huge.settled, __ATOMIC_ACQUIRE))
		return;
	enter();
	if (!huge.is_looked_at && !image_allows())
		huge.failures = FAILURES_MAX;
	huge.is_looked_at = true;
	for (; huge.mapping < snapimg_mapping_count(&loader.image) && mapping[huge.mapping].start < end &&
	       huge.failures < FAILURES_MAX;
	     huge.mapping++) {
		if (may_be_huge(&mapping[huge.mapping]))
			settle_mapping(&mapping[huge.mapping], end);
		if (mapping[huge.mapping].end > end)
			break; /* more of it may be due later */
	}
	leave();
}
