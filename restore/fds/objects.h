/* Makes again what descriptors refer to that is neither a file with a name nor inherited. */
#ifndef RESTORE_FDS_OBJECTS_H
#define RESTORE_FDS_OBJECTS_H

#include <stdint.h>

#include "restore/loader.h"

/* Objects will be made at numbers from `above` on; room: two int32_t for each. */
void objects_begin(int32_t *room, uint64_t above);
/* Makes a MEMFD or UNLINKED before all others, with its size and without its content; once. */
void objects_make_file(uint32_t index);
/* Opens such a one once more, with these flags of open(2). A descriptor or -errno. */
long objects_reopen(uint32_t index, uint32_t flags);
/* Makes all others. */
void objects_make(void);
/* The descriptor of an object, until objects_leave(). */
int objects_descriptor(uint32_t index);
/* When they are at their own numbers: closes what only helped, fills epoll sets, takes locks. */
void objects_leave(void);

/* What could not be done with an object, and why. */
_Noreturn void object_die(uint32_t index, const char *what, long result);

/* fds/watch.c */
void objects_watch(void);
void objects_lock(void);

/* fds/content.c: the bytes of a content, until the next call. */
const uint8_t *content_bytes(const struct snapimg_content *content);
/* The same of a file's content too; NULL if it can't be decoded. */
const uint8_t *content_try(const struct snapimg_content *content);

/* fds/socket.c */
int socket_make(const struct snapimg_object *object, int32_t *ret_other);
void socket_set(uint32_t index, int descriptor);
void socket_send(uint32_t index, int from, const uint8_t *bytes, uint64_t size);

/* fds/terminal.c */
int terminal_make(const struct snapimg_object *object, int master);

/* fds/reset.c: a TCP socket whose peer has reset the connection. */
int reset_make(const struct snapimg_object *object);

/* fds/terminal.c: the slave of a master, or a master */
int terminal_make(const struct snapimg_object *object, int master);
long terminal_set(const struct snapimg_setting *setting, int descriptor, const uint8_t *data);

#endif
