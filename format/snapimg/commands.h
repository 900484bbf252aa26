/* Inside snapimg: what its commands share. */
#ifndef FORMAT_SNAPIMG_COMMANDS_H
#define FORMAT_SNAPIMG_COMMANDS_H

#include <stdbool.h>

#include "format/image/reader.h"

/* Exit statuses, with snaprun's meaning. */
enum exit_status {
	EXIT_FINE = 0,
	EXIT_REFUSED = 125,     /* the image is damaged or refused; wrong usage */
	EXIT_CANNOT_READ = 126, /* the image was found but cannot be read */
	EXIT_NOT_FOUND = 127,
};

struct command_options {
	const char *path;
	const char *output; /* -o; NULL where the command makes no image */
	bool json;
};

typedef enum exit_status command(const struct command_options *options);
command command_info, command_maps, command_verify, command_thaw, command_freeze;

/* An image in memory of its own, so that a file that changes meanwhile harms nobody. */
struct image_file {
	void *memory; /* mmap'ed */
	uint64_t size;
	struct snapimg image;
};

/* How much of a file a command looks at. */
enum image_part {
	IMAGE_RECORDS, /* all but DATA, whose bytes are zero in memory then */
	IMAGE_WHOLE,
};

/* Reads a file and opens the image. On failure prints the line for it and returns its status; *ret_error (may
 * be NULL) is the reader's error then, SNAPIMG_OK when it was not the reader's. The file's memory is given
 * back by image_file_close. */
enum exit_status image_file_open(struct image_file *file, const char *path, enum image_part part,
                                 enum snapimg_error *ret_error) __attribute__((warn_unused_result));
void image_file_close(struct image_file *file);

/* cmd_thaw.c: writes the thawed image of one that is open to the file `to`. */
enum exit_status thaw_image(struct image_file *input, const char *path, const char *to)
        __attribute__((warn_unused_result));

/* cmd_cache.c: the words behind "snapimg cache". */
enum exit_status command_cache(int count, char **words) __attribute__((warn_unused_result));

/* From now on complain() prints nothing. */
void be_quiet(void);

/* Prints "snapimg: what: where: what to do" (a line) to stderr and returns status. */
enum exit_status complain(enum exit_status status, const char *format, ...)
        __attribute__((format(printf, 2, 3), cold));

/* The line for an error of the reader in the image at `path`; section and index as struct snapimg's
 * failed_... have them. Returns EXIT_REFUSED. */
enum exit_status complain_of_image(const char *path, enum snapimg_error error, uint32_t section,
                                   uint64_t index);

#endif
