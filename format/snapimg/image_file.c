#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/snapimg/commands.h"

static enum exit_status read_range(int descriptor, const char *path, uint8_t *memory, uint64_t start,
                                   uint64_t end)
{
	while (start < end) {
		ssize_t got = pread(descriptor, memory + start, end - start, (off_t)start);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return complain(EXIT_CANNOT_READ, "cannot read: %s: %s", path, strerror(errno));
		if (got == 0)
			return complain(EXIT_CANNOT_READ, "became shorter while it was read: %s: try again",
			                path);
		start += (uint64_t)got;
	}
	return EXIT_FINE;
}

/* The header area, and what follows DATA, if the header says where that is. */
static enum exit_status read_records(int descriptor, const char *path, uint8_t *memory, uint64_t size)
{
	uint64_t head = size < SNAPIMG_HEADER_AREA ? size : SNAPIMG_HEADER_AREA;
	enum exit_status status = read_range(descriptor, path, memory, 0, head);
	const struct snapimg_header *header = (const struct snapimg_header *)memory;
	uint64_t tail = head;

	if (status != EXIT_FINE || size < SNAPIMG_HEADER_AREA)
		return status;
	if (header->metadata_offset > head && header->metadata_offset < size)
		tail = header->metadata_offset;
	return read_range(descriptor, path, memory, tail, size);
}

static enum exit_status read_into_memory(struct image_file *file, int descriptor, const char *path,
                                         enum image_part part)
{
	struct stat status;

	if (fstat(descriptor, &status) != 0)
		return complain(EXIT_CANNOT_READ, "cannot read: %s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return complain(EXIT_CANNOT_READ,
		                "not a regular file: %s: give an image that snaptrace wrote", path);
	file->size = (uint64_t)status.st_size;
	/* NORESERVE: what a command does not read costs nothing. */
	file->memory = mmap(NULL, file->size == 0 ? 1 : file->size, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (file->memory == MAP_FAILED)
		return complain(EXIT_CANNOT_READ, "cannot hold the image: %s: %s", path, strerror(errno));
	if (part == IMAGE_WHOLE)
		return read_range(descriptor, path, file->memory, 0, file->size);
	return read_records(descriptor, path, file->memory, file->size);
}

enum exit_status image_file_open(struct image_file *file, const char *path, enum image_part part,
                                 enum snapimg_error *ret_error)
{
	/* NONBLOCK: a FIFO must not keep us waiting for a writer. */
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum snapimg_error error;
	enum exit_status status;

	*file = (struct image_file){.memory = MAP_FAILED};
	if (ret_error != NULL)
		*ret_error = SNAPIMG_OK;
	if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR))
		return complain(EXIT_NOT_FOUND, "no such image: %s: check the path", path);
	if (descriptor < 0)
		return complain(EXIT_CANNOT_READ, "cannot open: %s: %s", path, strerror(errno));
	status = read_into_memory(file, descriptor, path, part);
	(void)close(descriptor);
	if (status != EXIT_FINE) {
		image_file_close(file);
		return status;
	}
	error = snapimg_open(file->memory, file->size, &file->image);
	if (error == SNAPIMG_OK)
		return EXIT_FINE;
	if (ret_error != NULL)
		*ret_error = error;
	status = complain_of_image(path, error, file->image.failed_section, file->image.failed_index);
	image_file_close(file);
	return status;
}

void image_file_close(struct image_file *file)
{
	if (file->memory != MAP_FAILED)
		(void)munmap(file->memory, file->size == 0 ? 1 : file->size);
	file->memory = MAP_FAILED;
}
