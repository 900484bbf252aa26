/* Inside snapimg: the two forms of `info`, to standard output. */
#ifndef FORMAT_SNAPIMG_INFO_H
#define FORMAT_SNAPIMG_INFO_H

#include "format/snapimg/commands.h"

void info_print_text(const struct snapimg *image, const char *path, const char *sha256);
void info_put_json(const struct snapimg *image, const char *path, const char *sha256);

#endif
