#include "format/base/large.h"

#include <stdint.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

static void *map(size_t size)
{
	void *start =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return start == MAP_FAILED ? NULL : start;
}

void *scattered_new(size_t size)
{
	return map(size);
}

/* Room for the huge pages to begin where they can; the rest before is given back. */
void *large_new(size_t size)
{
	size_t room = size < HUGE_PAGE ? 0 : HUGE_PAGE;
	char *start = map(size + room);

	if (start == NULL || room == 0)
		return start;
	size_t before = (HUGE_PAGE - (uintptr_t)start % HUGE_PAGE) % HUGE_PAGE;
	if (before > 0)
		(void)munmap(start, before);
	if (room > before)
		(void)munmap(start + before + size, room - before);
	(void)madvise(start + before, size, MADV_HUGEPAGE); /* EINVAL: a kernel without */
	return start + before;
}

void large_free(void *memory, size_t size)
{
	if (memory)
		(void)munmap(memory, size);
}
