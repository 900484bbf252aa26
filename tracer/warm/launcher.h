/*
 * Launchers: text files that start a program from an image where that is right
 * here and now, and cold where it isn't (restore/look/launcher.c reads them).
 * Their images lie in one directory of the user's, each with a link to its
 * launcher beside it.
 */
#ifndef TRACER_WARM_LAUNCHER_H
#define TRACER_WARM_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "format/base/message.h"

struct options;

struct launcher {
	char *file;  /* its absolute path */
	char *image; /* where the image is */
	char *program;
	char **word; /* how the program is started cold, before its arguments; NULL-terminated, as the next */
	size_t word_count;
	char **argument; /* those that it was made with */
	size_t argument_count;
	char *warm, *warm_exit; /* as the options had them */
};

/* The launcher that is to be made: PROG (found at *path, which becomes absolute) and its arguments. */
enum status launcher_begin(struct options *options, char **path, struct launcher *ret_launcher)
        __attribute__((warn_unused_result));
/* Before PROG is run: whether FILE may be made. */
enum status launcher_check(const struct launcher *launcher) __attribute__((warn_unused_result));
/* The image is written: it is thawed, so that a start needs no cache, and FILE is made. */
enum status launcher_finish(const struct launcher *launcher) __attribute__((warn_unused_result));

/* Reads FILE, or the launcher of IMAGE. False: it is none. */
bool launcher_load(const char *name, struct launcher *ret_launcher);
void launcher_free(struct launcher *launcher);

/* --refresh: the options become those that the launcher was made with. *ret_nothing: there is nothing to
 * make.
 */
enum status launcher_refresh(struct options *options, struct launcher *loaded, bool *ret_nothing)
        __attribute__((warn_unused_result));
/* A refresh failed, so that starts don't try again and again. */
void launcher_refused(const struct launcher *launcher);
/* It was made again, unasked: if no start would be from it even now, it counts as refused. */
void launcher_made_again(const struct launcher *launcher);
enum status launcher_remove(const char *name) __attribute__((warn_unused_result));
enum status launcher_list(void) __attribute__((warn_unused_result));

#endif
