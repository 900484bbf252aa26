/*
 * A library is mapped in three parts that differ in protection and in nothing else, and two more of it are
 * often in a thawed image, one after the other. A call of mmap costs 1.7 us here, one of mprotect that makes
 * three parts of one 2.4 us: so what follows in memory and in its file is mapped as one, and what needs
 * another protection is given it then. Its entries in /proc/self/maps are the same.
 */
#include "restore/build/parts.h"

#include <asm/errno.h>
#include <linux/mman.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"

enum {
	MAP_DROPPABLE_TYPE = 0x08, /* MAP_DROPPABLE, Linux 6.11: in place of MAP_PRIVATE */
	TOGETHER_MOST = 16,
};

static struct {
	struct part part[TOGETHER_MOST];
	unsigned count;
} waiting;

static uint64_t size_of(const struct part *part)
{
	return part->range.end - part->range.start;
}

static uint64_t flags_of(const struct part *part)
{
	uint32_t own = part->mapping->flags;
	uint64_t flags = MAP_FIXED | part->source.flags;
	flags |= (part->source.flags & MAP_SHARED) != 0 ? 0
	         : (own & SNAPIMG_MAP_SHARED) != 0      ? MAP_SHARED
	         : (own & SNAPIMG_MAP_DROPPABLE) != 0   ? MAP_DROPPABLE_TYPE
	                                                : MAP_PRIVATE;
	return flags | ((own & SNAPIMG_MAP_NORESERVE) != 0 ? MAP_NORESERVE : 0);
}

static long try_alone(const struct part *part)
{
	uint64_t flags = flags_of(part);
	long result = sys(__NR_mmap, part->range.start, size_of(part), part->protection, flags,
	                  part->source.descriptor, part->source.offset);
	if (result < 0 && (part->mapping->flags & SNAPIMG_MAP_DROPPABLE) != 0) /* not before Linux 6.11 */
		result = sys(__NR_mmap, part->range.start, size_of(part), part->protection,
		             (flags & ~(uint64_t)MAP_DROPPABLE_TYPE) | MAP_PRIVATE, part->source.descriptor,
		             part->source.offset);
	return result;
}

static void copy(const struct part *part)
{
	struct part memory = *part;
	memory.protection = PROT_READ | PROT_WRITE;
	memory.source = (struct source){.descriptor = -1, .flags = MAP_ANONYMOUS};
	long result = try_alone(&memory);
	if (result != (long)part->range.start)
		mapping_die(part->mapping, "map", result);
	if (!image_read((void *)part->range.start, size_of(part), part->piece->offset))
		die(EXIT_REFUSED, loader.options.image, ": became shorter while it was read: try again");
	result = sys(__NR_mprotect, part->range.start, size_of(part), part->protection);
	if (result < 0)
		mapping_die(part->mapping, "protect", result);
}

/* Without /proc the shim can't see to memory that was anonymous. */
static bool must_be_copied(const struct part *part)
{
	return part->piece != NULL && part->mapping->kind == SNAPIMG_MAPPING_ANONYMOUS &&
	       !pieces_can_be_told();
}

/* Code can't be mapped from a filesystem that is mounted noexec (EPERM), nor where SELinux has it so
 * (EACCES). */
static void map_alone(const struct part *part)
{
	if (must_be_copied(part)) {
		copy(part);
		return;
	}
	long result = try_alone(part);
	if ((result == -EPERM || result == -EACCES) && part->piece != NULL &&
	    (part->protection & PROT_EXEC) != 0)
		copy(part);
	else if (result != (long)part->range.start)
		mapping_die(part->mapping, "map", result);
}

/* Only what is private and has a file: memory of no file is accounted for by its protection at first, and a
 * shared mapping by how the file was opened. */
static bool follows(const struct part *part, const struct part *last)
{
	return !must_be_copied(part) && !must_be_copied(last) && part->source.descriptor >= 0 &&
	       part->source.descriptor == last->source.descriptor &&
	       flags_of(part) == (MAP_FIXED | MAP_PRIVATE) && flags_of(last) == (MAP_FIXED | MAP_PRIVATE) &&
	       part->range.start == last->range.end &&
	       part->source.offset == last->source.offset + size_of(last);
}

/* As the kernel would have it part by part: what is not to be written to is never accounted for as if it
 * were. */
static uint32_t first_protection(void)
{
	for (unsigned i = 0; i < waiting.count; i++)
		if ((waiting.part[i].protection & PROT_WRITE) == 0)
			return waiting.part[i].protection;
	return waiting.part[0].protection;
}

static bool map_together(void)
{
	const struct part *part = waiting.part, *end = part + waiting.count;
	uint32_t protection = first_protection();
	uint64_t start = part->range.start;
	long result = sys(__NR_mmap, start, end[-1].range.end - start, protection, flags_of(part),
	                  part->source.descriptor, part->source.offset);
	if (result != (long)start)
		return false;
	while (part < end) {
		const struct part *first = part++;
		while (part < end && part->protection == first->protection)
			part++;
		if (first->protection != protection &&
		    sys(__NR_mprotect, first->range.start, part[-1].range.end - first->range.start,
		        first->protection) < 0)
			return false;
	}
	return true;
}

void parts_complete(void)
{
	/* What can't be mapped together is so for one of them: which, and what to say, each finds alone. */
	if (waiting.count < 2 || !map_together())
		for (unsigned i = 0; i < waiting.count; i++)
			map_alone(&waiting.part[i]);
	waiting.count = 0;
}

void part_map(const struct part *part)
{
	if (waiting.count == TOGETHER_MOST ||
	    (waiting.count > 0 && !follows(part, &waiting.part[waiting.count - 1])))
		parts_complete();
	waiting.part[waiting.count++] = *part;
}
