/* Where an output file goes: a directory that is held open, and a name in it. */
#ifndef FORMAT_BASE_OUTPUT_PLACE_H
#define FORMAT_BASE_OUTPUT_PLACE_H

#include <limits.h>
#include <stdbool.h>

/* Finds them for `path`; with `follow`, those of what a symbolic link there leads to. Opens the directory.
 * Returns 0 or an errno: EISDIR, or EEXIST for what else is no regular file, and so must not be replaced. */
int output_place_find(const char *path, bool follow, int *ret_directory, char ret_name[NAME_MAX + 1])
        __attribute__((warn_unused_result));

/* Whether what has the name now, if anything has, may be replaced: 0 or one of these errors. */
int output_place_check(int directory, const char *name, bool follow) __attribute__((warn_unused_result));

#endif
