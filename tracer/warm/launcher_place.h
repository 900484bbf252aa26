/* Where launchers' images are: $XDG_DATA_HOME/snaptrace/launchers, or that of ~/.local/share. */
#ifndef TRACER_WARM_LAUNCHER_PLACE_H
#define TRACER_WARM_LAUNCHER_PLACE_H

#include <stddef.h>

#include "format/base/message.h"

/* The image's path for a launcher, to be freed; its directory is made. */
enum status launcher_place(const char *file, const char *name, char **ret_image)
        __attribute__((warn_unused_result));
/* The directory, to be freed; NULL: there is no home. */
char *launcher_directory(void);
/* Beside the image: a link to its launcher, by which it's listed. */
enum status launcher_link(const char *file, const char *image) __attribute__((warn_unused_result));
/* The launcher that an image belongs to, to be freed; NULL: the name is of no image with a launcher. */
char *launcher_of_image(const char *name);
/* "IMAGE.refused" and the like, to be freed. */
char *launcher_beside(const char *image, const char *suffix);
/* The path of a tool of ours. */
void launcher_tool(const char *name, char *path, size_t size);

#endif
