/* The only opener of image files for tools. */
#ifndef FORMAT_CONVERT_IMAGE_FILE_H
#define FORMAT_CONVERT_IMAGE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "format/image/reader.h"

/* An image in memory of its own, so that a file that changes meanwhile harms nobody. */
struct image_file {
	int descriptor;  /* of the file; -1: none */
	uint64_t offset; /* where in it the image begins: not 0 in a runnable file */
	mode_t mode;
	void *memory;  /* of large_new() */
	bool is_whole; /* in memory; else all but the page data */
	uint64_t size;
	struct snapimg image;
};

/* How much of a file is looked at. */
enum image_part {
	IMAGE_RECORDS, /* all but DATA, whose bytes are zero in memory then */
	IMAGE_WHOLE,
};

/* Why an image can't be used. */
struct image_failure {
	int status;               /* of the tool: 125 damaged or refused, 126 unreadable, 127 not there */
	enum snapimg_error error; /* the reader's; SNAPIMG_OK: it was another's: */
	uint32_t section;         /* of the reader's: as struct snapimg's failed_... */
	uint64_t index;
	const char *what; /* … of others: "cannot open" */
	int number;       /* its errno; 0: none */
	const char *advice;
};

/* Opens the file and the image in it. Nothing but the header is read before magic, version and sizes are
 * right. False: *ret_failure says why, and nothing is to be closed. */
bool image_file_open(struct image_file *file, const char *path, enum image_part part,
                     struct image_failure *ret_failure) __attribute__((warn_unused_result));
/* The same for an open file, whose descriptor is taken over. */
bool image_file_take(struct image_file *file, int descriptor, enum image_part part,
                     struct image_failure *ret_failure) __attribute__((warn_unused_result));
/* IMAGE_RECORDS becomes IMAGE_WHOLE. */
bool image_file_read_data(struct image_file *file, struct image_failure *ret_failure)
        __attribute__((warn_unused_result));
/* A part of the page data: in memory if that has the whole, else read from the file into `room`. NULL: it
 * can't be read. By any thread. */
const uint8_t *image_file_read(const struct image_file *file, uint64_t offset, size_t size, void *room);
void image_file_close(struct image_file *file);

/* A failure of the image's data, found later. */
struct image_failure image_failure_of(const struct snapimg *image, enum snapimg_error error);

enum { IMAGE_FAILURE_SIZE = 8192 };
/* "what: path: what to do", without the tool's name; written to `text`, which it returns. */
const char *image_failure_text(const struct image_failure *failure, const char *path,
                               char text[IMAGE_FAILURE_SIZE]);

#endif
