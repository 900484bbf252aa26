/* Inside snapimg: the two forms of `info`, to standard output. */
#ifndef SNAPIMG_INFO_H
#define SNAPIMG_INFO_H

#include "commands.h"

void info_print_text(const struct snapimg *image, const char *path);
void info_put_json(const struct snapimg *image, const char *path);

#endif
