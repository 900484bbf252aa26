/* Inside snapimg: what its commands share. */
#ifndef FORMAT_SNAPIMG_COMMANDS_H
#define FORMAT_SNAPIMG_COMMANDS_H

#include <stdbool.h>

#include "format/convert/image_file.h"
#include "format/convert/thaw.h"

/* Exit statuses, with snaprun's meaning. */
enum exit_status {
	EXIT_FINE = 0,
	EXIT_REFUSED = 125,     /* the image is damaged or refused; wrong usage */
	EXIT_CANNOT_READ = 126, /* the image was found but cannot be read */
	EXIT_NOT_FOUND = 127,
};

struct command_options {
	const char *path;
	const char *second; /* NULL where the command takes one file */
	const char *output; /* -o; NULL where the command makes no image */
	const char *key;    /* --key: a file; NULL: none */
	bool json;
	bool runnable; /* of oci */
	bool answered; /* --help or --version: nothing to do */
};

typedef enum exit_status command(const struct command_options *options);
command command_info, command_maps, command_verify, command_thaw, command_freeze, command_diff, command_patch,
        command_runnable, command_oci, command_unpack, command_sign, command_core;

/* Opens the image at `path`; on failure prints the line for it and returns its status. *ret_failure may be
 * NULL. */
enum exit_status open_image(struct image_file *file, const char *path, enum image_part part,
                            struct image_failure *ret_failure) __attribute__((warn_unused_result));

/* cmd_thaw.c: writes what becomes of the open image from `path` to the file `to`. flags: of output_file.h. */
enum exit_status write_image(struct image_file *input, const char *path, const char *to, unsigned int flags,
                             image_conversion *convert) __attribute__((warn_unused_result));
/* What is left to do after the page data: the file is put in place, or the line is printed. */
enum exit_status finish_image(struct image_file *input, const char *path, struct output_file *output,
                              enum snapimg_error error) __attribute__((warn_unused_result));

/* cmd_cache.c: the words after "snapimg cache". */
enum exit_status command_cache(int count, char **words) __attribute__((warn_unused_result));

/* Puts a thawed copy of the whole image, which is open, into the cache, under a name of these digits.
 * is_awaited: a start waits for it, and not for the disk. */
enum exit_status cache_add_as(const char *dir, struct image_file *file, const char *path, const char *digits,
                              bool is_awaited) __attribute__((warn_unused_result));

/* cmd_start.c: the words behind "snapimg start", with which snaprun asks for --key. */
enum exit_status command_start(int count, char **words) __attribute__((warn_unused_result));

/* From now on complain() prints nothing. */
void be_quiet(void);

/* Prints "snapimg: what: where: what to do" (a line) to stderr and returns status. */
enum exit_status complain(enum exit_status status, const char *format, ...)
        __attribute__((format(printf, 2, 3), cold));

/* The line for an image that can't be used. Returns its status. */
enum exit_status complain_of_image(const char *path, const struct image_failure *failure);

/* The same for an error that was found in the image's data. */
enum exit_status complain_of_data(const char *path, const struct image_file *file, enum snapimg_error error);

#endif
