#include "format/convert/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/large.h"
#include "format/facts/runnable.h"

/* With snaprun's meaning. */
enum { REFUSED = 125, UNREADABLE = 126, NOT_FOUND = 127 };

static bool cannot(struct image_failure *failure, int status, const char *what, int number,
                   const char *advice)
{
	*failure = (struct image_failure){.status = status, .what = what, .number = number, .advice = advice};
	return false;
}

static const char *advice_for(enum snapimg_error error)
{
	switch (error) {
	case SNAPIMG_ERR_NOT_AN_IMAGE:
	case SNAPIMG_ERR_EMPTY:
		return "give an image that snaptrace wrote";
	case SNAPIMG_ERR_TEXT_DAMAGE:
		return "transfer it again in binary mode";
	case SNAPIMG_ERR_NEWER_MAJOR:
	case SNAPIMG_ERR_FEATURE:
	case SNAPIMG_ERR_SECTION_UNKNOWN:
		return "use the version of snaptrace that made it, or a later one";
	case SNAPIMG_ERR_ARCHITECTURE:
	case SNAPIMG_ERR_PAGE_SIZE:
		return "use it on a machine like the one it was made on";
	default:
		return "fetch it again from where it came, or freeze the program again";
	}
}

struct image_failure image_failure_of(const struct snapimg *image, enum snapimg_error error)
{
	return (struct image_failure){.status = REFUSED,
	                              .error = error,
	                              .section = image->failed_section,
	                              .index = image->failed_index,
	                              .what = snapimg_strerror(error),
	                              .advice = advice_for(error)};
}

const char *image_failure_text(const struct image_failure *failure, const char *path,
                               char text[IMAGE_FAILURE_SIZE])
{
	unsigned long long index = failure->index;
	char where[128] = "";

	if (failure->error == SNAPIMG_ERR_FEATURE)
		(void)snprintf(where, sizeof(where), " (number %llu)", index);
	else if (failure->error == SNAPIMG_ERR_SECTION_UNKNOWN)
		(void)snprintf(where, sizeof(where), " (type %u)", failure->section);
	if (where[0] != '\0' || (failure->section == 0 && failure->number == 0))
		(void)snprintf(text, IMAGE_FAILURE_SIZE, "%s%s: %s: %s", failure->what, where, path,
		               failure->advice);
	else if (failure->section == 0)
		(void)snprintf(text, IMAGE_FAILURE_SIZE, "%s: %s: %s", failure->what, path,
		               strerror(failure->number));
	else
		(void)snprintf(text, IMAGE_FAILURE_SIZE, "%s: %s, %s, record %llu: %s", failure->what, path,
		               snapimg_section_name(failure->section), index, failure->advice);
	return text;
}

static bool read_range(struct image_file *file, uint64_t start, uint64_t end, struct image_failure *failure)
{
	uint8_t *memory = file->memory;

	while (start < end) {
		ssize_t got =
		        pread(file->descriptor, memory + start, end - start, (off_t)(file->offset + start));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return cannot(failure, UNREADABLE, "cannot read", errno, NULL);
		if (got == 0)
			return cannot(failure, UNREADABLE, "became shorter while it was read", 0,
			              "try again");
		start += (uint64_t)got;
	}
	return true;
}

/* The header area; what it says decides if there is more to read, and where. */
static bool read_records(struct image_file *file, struct image_failure *failure)
{
	uint64_t head = file->size < SNAPIMG_HEADER_AREA ? file->size : SNAPIMG_HEADER_AREA;
	enum snapimg_error error;

	if (!read_range(file, 0, head, failure))
		return false;
	error = snapimg_check_header(file->memory, file->size, &file->image);
	if (error == SNAPIMG_OK) {
		if (!read_range(file, snapimg_records_start(&file->image), file->size, failure))
			return false;
		error = snapimg_open(file->memory, file->size, &file->image);
	}
	if (error != SNAPIMG_OK)
		*failure = image_failure_of(&file->image, error);
	return error == SNAPIMG_OK;
}

/* A runnable file has the loader before its image. What is cut off before the image begins has an empty one.
 */
static bool find_image(struct image_file *file, struct image_failure *failure)
{
	uint8_t head[SNAPIMG_RUNNABLE_HEAD];
	ssize_t got = pread(file->descriptor, head, sizeof(head), 0);

	if (got < 0)
		return cannot(failure, UNREADABLE, "cannot read", errno, NULL);
	file->offset = snapimg_runnable_offset(head, (size_t)got);
	if (file->offset != 0 && file->offset >= file->size) {
		*failure = image_failure_of(&file->image, SNAPIMG_ERR_TRUNCATED);
		return false;
	}
	file->size -= file->offset;
	return true;
}

static bool make_memory(struct image_file *file, enum image_part part, struct image_failure *failure)
{
	struct stat status;

	if (fstat(file->descriptor, &status) != 0)
		return cannot(failure, UNREADABLE, "cannot read", errno, NULL);
	if (!S_ISREG(status.st_mode))
		return cannot(failure, UNREADABLE, "not a regular file", 0,
		              "give an image that snaptrace wrote");
	file->size = (uint64_t)status.st_size;
	file->mode = status.st_mode & 07777;
	if (!find_image(file, failure))
		return false;
	file->memory = part == IMAGE_WHOLE ? large_new(file->size == 0 ? 1 : file->size)
	                                   : scattered_new(file->size == 0 ? 1 : file->size);
	return file->memory != NULL || cannot(failure, UNREADABLE, "cannot hold the image", errno, NULL);
}

bool image_file_read_data(struct image_file *file, struct image_failure *ret_failure)
{
	file->is_whole = file->is_whole || read_range(file, SNAPIMG_HEADER_AREA,
	                                              file->image.header->metadata_offset, ret_failure);
	return file->is_whole;
}

const uint8_t *image_file_read(const struct image_file *file, uint64_t offset, size_t size, void *room)
{
	uint8_t *to = room;

	if (file->is_whole)
		return (const uint8_t *)file->memory + offset;
	for (size_t done = 0; done < size;) {
		ssize_t got = pread(file->descriptor, to + done, size - done,
		                    (off_t)(file->offset + offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return NULL;
		done += (size_t)got;
	}
	return to;
}

bool image_file_take(struct image_file *file, int descriptor, enum image_part part,
                     struct image_failure *ret_failure)
{
	*file = (struct image_file){.descriptor = descriptor, .memory = NULL};
	if (make_memory(file, part, ret_failure) && read_records(file, ret_failure) &&
	    (part == IMAGE_RECORDS || image_file_read_data(file, ret_failure)))
		return true;
	image_file_close(file);
	return false;
}

bool image_file_open(struct image_file *file, const char *path, enum image_part part,
                     struct image_failure *ret_failure)
{
	/* NONBLOCK: a FIFO must not keep us waiting for a writer. */
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*file = (struct image_file){.descriptor = -1, .memory = NULL};
	if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR))
		return cannot(ret_failure, NOT_FOUND, "no such image", 0, "check the path");
	if (descriptor < 0)
		return cannot(ret_failure, UNREADABLE, "cannot open", errno, NULL);
	return image_file_take(file, descriptor, part, ret_failure);
}

void image_file_close(struct image_file *file)
{
	large_free(file->memory, file->size == 0 ? 1 : file->size);
	if (file->descriptor >= 0)
		(void)close(file->descriptor);
	*file = (struct image_file){.descriptor = -1, .memory = NULL};
}
