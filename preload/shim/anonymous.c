/* Makes anonymous memory of what is mapped from the image. */
#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/mman.h>

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"

enum { ADVISE_DONTNEED_LOCKED = 24 };

/* A bit for each advice that the memory was given, as the kernel tells it, which takes a millisecond. */
static uint32_t advice_now(uint64_t address)
{
	static const struct {
		char name[3];
		int advice;
	} marks[] = {
	        {"dc", MADV_DONTFORK}, {"dd", MADV_DONTDUMP},   {"sr", MADV_SEQUENTIAL}, {"rr", MADV_RANDOM},
	        {"hg", MADV_HUGEPAGE}, {"nh", MADV_NOHUGEPAGE}, {"mg", MADV_MERGEABLE},
	};
	char names[SHIM_MARKS_MAX];
	unsigned count = process_marks(address, names);
	uint32_t advice = 0;

	for (unsigned i = 0; i + 1 < count; i += 2)
		for (unsigned j = 0; j < sizeof(marks) / sizeof(*marks); j++)
			if (names[i] == marks[j].name[0] && names[i + 1] == marks[j].name[1])
				advice |= (uint32_t)1 << marks[j].advice;
	return advice;
}

/* What the image had, as long as the program has changed nothing of it. */
static uint32_t advice_of(const struct part *part)
{
	uint64_t advised = snap_mapped_table.advised;

	if (advised != 0 && advised != SNAP_MAPPED_SOME && part->range != 0) {
		uint32_t advice = ((const uint32_t *)advised)[part->range - 1];
		if (!(advice & SNAP_MAPPED_UNKNOWN))
			return advice;
	}
	return advised == 0 ? 0 : advice_now(part->start);
}

/* mremap(2) and mmap(2) give a new mapping none of the old one's marks. */
void anonymous_advise_like(const struct part *part, uint64_t start, uint64_t size)
{
	uint32_t advice = advice_of(part);

	for (uint64_t number = 1; number < 32; number++)
		if (advice >> number & 1)
			shim_call(__NR_madvise, start, size, number, 0, 0, 0);
}

/* Takes the part's place only when it has the part's marks. */
static long put_in_place(const struct part *part, long new)
{
	uint64_t size = part->end - part->start;
	long result = shim_call(__NR_mprotect, (uint64_t) new, size, (uint64_t)part->protection, 0, 0, 0);

	if (result == 0) {
		anonymous_advise_like(part, (uint64_t) new, size);
		result = shim_call(__NR_mremap, (uint64_t) new, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		                   part->start, 0);
	}
	if (result < 0)
		shim_call(__NR_munmap, (uint64_t) new, size, 0, 0, 0, 0);
	return result < 0 ? result : 0;
}

static long new_memory(uint64_t size)
{
	return shim_call(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                 (uint64_t)-1, 0);
}

long anonymous_empty(const struct part *part)
{
	uint64_t size = part->end - part->start;
	long result = shim_call(__NR_madvise, part->start, size, MADV_DONTNEED, 0, 0, 0);
	bool is_locked = result == -EINVAL && part->advice == ADVISE_DONTNEED_LOCKED;

	if (result < 0 && !is_locked)
		return result;
	if ((result = new_memory(size)) < 0 || (result = put_in_place(part, result)) < 0)
		return result;
	if (is_locked)
		shim_call(__NR_mlock2, part->start, size, 1 /* MLOCK_ONFAULT */, 0, 0, 0);
	return 0;
}

static void copy_bytes(uint64_t to, uint64_t from, uint64_t size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

long anonymous_copy(const struct part *part, uint64_t size)
{
	uint64_t length = part->end - part->start;
	bool is_readable = (part->protection & PROT_READ) != 0;
	long new = new_memory(size), result = 0;

	if (new < 0)
		return new;
	if (!is_readable)
		result = shim_call(__NR_mprotect, part->start, length, PROT_READ, 0, 0, 0);
	if (result < 0) {
		shim_call(__NR_munmap, (uint64_t) new, size, 0, 0, 0, 0);
		return result;
	}
	copy_bytes((uint64_t) new, part->start, length < size ? length : size);
	if (!is_readable)
		shim_call(__NR_mprotect, part->start, length, (uint64_t)part->protection, 0, 0, 0);
	return new;
}

long anonymous_replace(const struct part *part)
{
	struct held held;
	long result = others_hold(&held);

	if (result < 0)
		return result;
	if ((result = anonymous_copy(part, part->end - part->start)) >= 0)
		result = put_in_place(part, result);
	others_release(&held);
	return result;
}
