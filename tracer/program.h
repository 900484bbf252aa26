/* PROG before it is run: where it is, and whether it can be frozen at all. */
#ifndef TRACER_PROGRAM_H
#define TRACER_PROGRAM_H

#include <stdbool.h>

#include "format/base/message.h"

/*
 * Finds PROG as execvp(3) does and checks what only shows before it runs: that it can be executed and
 * read, is no 32-bit program, and gains no privilege (set-user-ID, set-group-ID, file capabilities; for
 * a script that of its interpreter); the latter two only if it is to be frozen. *ret_path is for the caller
 * to free. Returns STATUS_NOT_FOUND or STATUS_CANNOT_RUN with its line printed.
 */
enum status program_find(const char *name, bool to_freeze, char **ret_path)
        __attribute__((warn_unused_result));

#endif
