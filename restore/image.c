/* Maps the image file and has the reader check it. Only the records are read through the mapping; the page
 * data are read in larger pieces (fill.c). */
#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "loader.h"
#include "memory.h"
#include "message.h"
#include "signals_x86_64.h"
#include "syscall_x86_64.h"
#include "zone.h"

static struct kernel_sigaction caller_bus_action;

/* The file is mapped, so a file that somebody cuts short meanwhile shows as SIGBUS. */
static void on_bus_error(void)
{
	loader.options.fallback = false; /* not from inside a handler */
	die(EXIT_REFUSED, loader.options.image, ": a file became shorter while it was read: try again");
}

static void image_guard_begin(void)
{
	/* The handler ends the process, so it needs no restorer to come back through. */
	struct kernel_sigaction action = {
	        .handler = (uint64_t)on_bus_error,
	        .flags = SIGNAL_FLAG_RESTORER,
	        .restorer = (uint64_t)on_bus_error,
	};
	sys(__NR_rt_sigaction, SIGNAL_BUS, &action, &caller_bus_action, SIGNAL_SET_SIZE);
}

void image_close(void)
{
	sys(__NR_close, loader.image_descriptor);
	sys(__NR_rt_sigaction, SIGNAL_BUS, &caller_bus_action, 0, SIGNAL_SET_SIZE);
}

/* Opens and maps the file; *ret_size is its length. */
static const uint8_t *map_file(const char *path, uint64_t *ret_size)
{
	long descriptor = sys(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (descriptor < 0)
		die(descriptor == -ENOENT || descriptor == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_UNREADABLE, path,
		    ": cannot open the image: ", error_text(descriptor));
	struct stat status;
	long result = sys(__NR_fstat, descriptor, &status);
	if (result < 0)
		die(EXIT_UNREADABLE, path, ": cannot look at the image: ", error_text(result));
	if ((status.st_mode & 0170000u) != 0100000u)
		die(EXIT_UNREADABLE, path, ": not a regular file: an image is one");
	*ret_size = (uint64_t)status.st_size;
	if (*ret_size == 0)
		die(EXIT_REFUSED, path, ": ", snapimg_strerror(SNAPIMG_ERR_EMPTY),
		    ": freeze the program again");
	if (*ret_size > ZONE_END - ZONE_IMAGE)
		die(EXIT_REFUSED, path, ": the image is larger than the loader can map");
	result = sys(__NR_mmap, ZONE_IMAGE, *ret_size, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
	             descriptor, 0);
	if (result != (long)ZONE_IMAGE)
		die(EXIT_UNREADABLE, path, ": cannot map the image: ", error_text(result));
	loader.image_descriptor = (int)descriptor;
	return (const uint8_t *)ZONE_IMAGE;
}

/* Brings the header and the records into memory in two calls instead of a fault a page. Only advice:
 * everything in the header is still unchecked here. */
static void populate_metadata(const uint8_t *base, uint64_t size)
{
	if (size < SNAPIMG_HEADER_AREA)
		return;
	const struct snapimg_header *header = (const void *)base;
	uint64_t start = page_floor(header->metadata_offset);
	if (start < size)
		sys(__NR_madvise, base + start, size - start, MADV_POPULATE_READ);
}

static const char *advice_for(enum snapimg_error error)
{
	switch (error) {
	case SNAPIMG_ERR_NEWER_MAJOR:
	case SNAPIMG_ERR_FEATURE:
	case SNAPIMG_ERR_SECTION_UNKNOWN:
		return ": use a newer snaprun, or freeze the program again";
	case SNAPIMG_ERR_NOT_AN_IMAGE:
		return ": give a file that snaptrace wrote";
	case SNAPIMG_ERR_ARCHITECTURE:
	case SNAPIMG_ERR_PAGE_SIZE:
		return ": freeze the program on this kind of machine";
	default:
		return ": freeze the program again, or fetch the image again";
	}
}

void image_open(void)
{
	const char *path = loader.options.image;
	uint64_t size;
	image_guard_begin();
	const uint8_t *base = map_file(path, &size);
	populate_metadata(base, size);
	enum snapimg_error error = snapimg_open(base, size, &loader.image);
	if (error != SNAPIMG_OK) {
		const char *where = loader.image.failed_section == 0 ? "" : " in section ";
		const char *name = loader.image.failed_section == 0
		                           ? ""
		                           : snapimg_section_name(loader.image.failed_section);
		die(EXIT_REFUSED, path, ": ", snapimg_strerror(error), where, name, advice_for(error));
	}
	loader.image_valid = true;
}
