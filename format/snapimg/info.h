/* Inside snapimg: the two forms of `info`, to standard output. */
#ifndef FORMAT_SNAPIMG_INFO_H
#define FORMAT_SNAPIMG_INFO_H

#include "format/base/json.h"
#include "format/snapimg/commands.h"

void info_print_text(const struct snapimg *image, const char *path, const char *sha256);
void info_print_inputs(const struct snapimg *image);
void info_put_inputs(struct json *json, const struct snapimg *image);
void info_put_json(const struct snapimg *image, const char *path, const char *sha256);
/* info_ipc.c: System V objects; nothing where there are none. */
void info_print_ipc(const struct snapimg *image);
void info_put_ipc(struct json *json, const struct snapimg *image);
/* info_tree.c: the processes of a tree; nothing for others. */
void info_print_tree(const struct snapimg *image);
void info_put_tree(struct json *json, const struct snapimg *image);

#endif
