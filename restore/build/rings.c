/*
 * Memory that the kernel shares: rings of io_uring and of asynchronous I/O. The kernel chooses the place of
 * both. The latter can be moved. The former can't: neither mmap(2) nor mremap(2) takes an address for it
 * since Linux 6.4 (io_uring/memmap.c, io_uring_get_unmapped_area). So all other room is taken for a moment,
 * and what is left is what the kernel chooses. This comes first, when hardly anything else is mapped.
 */
#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "restore/base/limits.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/objects.h"
#include "restore/fds/table.h"
#include "restore/loader.h"
#include "restore/zone.h"

enum { GAPS_MAX = 128, TEXT = 16384 };

/* The room that nothing has. */
struct gaps {
	struct {
		uint64_t start, end;
	} gap[GAPS_MAX];
	unsigned count;
};

static uint64_t read_hex(const char **at)
{
	uint64_t number = 0;
	for (;; (*at)++) {
		char digit = **at;
		if (digit >= '0' && digit <= '9')
			number = number << 4 | (uint64_t)(digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			number = number << 4 | (uint64_t)(digit - 'a' + 10);
		else
			return number;
	}
}

static void add_gap(struct gaps *gaps, uint64_t start, uint64_t end)
{
	end = end < USER_END ? end : USER_END;
	if (start >= end)
		return;
	if (gaps->count == GAPS_MAX)
		die(EXIT_REFUSED, loader.options.image,
		    ": its io_uring can't be mapped among so many mappings");
	gaps->gap[gaps->count].start = start;
	gaps->gap[gaps->count++].end = end;
}

static void find_gaps(struct gaps *gaps)
{
	char text[TEXT];
	uint64_t size = 0, at = USER_START;
	long descriptor = sys(__NR_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC), got = 1;
	if (descriptor < 0)
		die(EXIT_REFUSED, loader.options.image,
		    ": its io_uring can't be mapped without /proc: ", error_text(descriptor));
	while (got > 0 && size < TEXT - 1) {
		got = sys(__NR_read, descriptor, text + size, TEXT - 1 - size);
		size += got > 0 ? (uint64_t)got : 0;
	}
	sys(__NR_close, descriptor);
	text[size] = '\0';
	for (const char *line = text; *line != '\0';) {
		uint64_t start = read_hex(&line);
		line += *line == '-';
		uint64_t end = read_hex(&line);
		add_gap(gaps, at, start);
		at = end > at ? end : at;
		while (*line != '\0' && *line++ != '\n')
			;
	}
	add_gap(gaps, at, USER_END);
}

/* Nothing is there that could be read or written, so it costs nothing but the limit of address space. */
static void take(const struct gaps *gaps)
{
	limit_raise(RLIMIT_AS);
	for (unsigned i = 0; i < gaps->count; i++) {
		long result = sys(__NR_mmap, gaps->gap[i].start, gaps->gap[i].end - gaps->gap[i].start,
		                  PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
		if (result < 0)
			die(EXIT_REFUSED, loader.options.image,
			    ": its io_uring can't be mapped where it was: ", error_text(result),
			    ": raise ulimit -Hv");
	}
}

static bool is_uring(const struct snapimg_mapping *mapping)
{
	return mapping->kind == SNAPIMG_MAPPING_RING &&
	       snapimg_get_object(&loader.image)[mapping->file - 1].kind == SNAPIMG_OBJECT_URING;
}

/* All but the rings, which are sorted by address as the gaps are. */
static void give_back(const struct gaps *gaps)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	uint32_t next = 0, count = snapimg_mapping_count(&loader.image);
	for (unsigned i = 0; i < gaps->count; i++) {
		uint64_t at = gaps->gap[i].start, end = gaps->gap[i].end;
		for (; next < count && mapping[next].start < end; next++) {
			if (!is_uring(&mapping[next]) || mapping[next].start < at)
				continue;
			if (mapping[next].start > at)
				sys(__NR_munmap, at, mapping[next].start - at);
			at = mapping[next].end;
		}
		if (at < end)
			sys(__NR_munmap, at, end - at);
	}
}

static void map_uring(const struct snapimg_mapping *mapping)
{
	uint64_t size = mapping->end - mapping->start;
	sys(__NR_munmap, mapping->start, size);
	long result = sys(__NR_mmap, 0, size, mapping->protection, MAP_SHARED | MAP_POPULATE,
	                  objects_descriptor(mapping->file - 1), mapping->offset);
	if (result != (long)mapping->start)
		mapping_die(mapping, "map", result < 0 ? result : -EEXIST);
}

void rings_make(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	uint32_t count = snapimg_mapping_count(&loader.image);
	struct gaps gaps = {.count = 0};
	bool any_uring = false;
	for (uint32_t i = 0; i < count; i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_RING)
			continue;
		descriptors_begin();
		objects_make_file(mapping[i].file - 1);
		any_uring = any_uring || is_uring(&mapping[i]);
	}
	if (!any_uring)
		return;
	find_gaps(&gaps);
	take(&gaps);
	for (uint32_t i = 0; i < count; i++)
		if (is_uring(&mapping[i]))
			map_uring(&mapping[i]);
	give_back(&gaps);
}
