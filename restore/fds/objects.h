/* Makes again what descriptors refer to that is neither a file with a name nor inherited. */
#ifndef RESTORE_FDS_OBJECTS_H
#define RESTORE_FDS_OBJECTS_H

#include <stdint.h>

#include "restore/loader.h"

/* Objects will be made in `room`: two int32_t for each. */
void objects_begin(int32_t *room);
/* Makes a MEMFD or UNLINKED before all others, with its size and without its content, or what has RING
 * mappings; once. */
void objects_make_file(uint32_t index);
/* Makes all others, with what is in them. */
void objects_make(void);
/* By object: its descriptor, then likewise that of its other end; -1: none. */
void objects_copy_numbers(int32_t *to);
/* When the program's descriptors of them are there: closes what only helped. */
void objects_leave(void);

/* The descriptor of an object, until objects_leave(); -1: none. */
int objects_descriptor(uint32_t index);
/* One where the bytes go in that come out at an object. */
int objects_other_end(uint32_t index);
/* Opens a file once more, with these flags of open(2). A descriptor or -errno. */
long objects_reopen(int descriptor, uint32_t flags);

/* What could not be done with an object, and why. */
_Noreturn void object_die(uint32_t index, const char *what, long result);

/* settings.c: all settings of all objects. */
void objects_set(void);
/* Those once more that filling changes, and for the first time those that could hold it up. */
void objects_settle(void);

/* content.c: the bytes of a content, until the next call. */
const uint8_t *content_bytes(const struct snapimg_content *content);
/* The same of a file's content too; NULL if it can't be decoded. */
const uint8_t *content_try(const struct snapimg_content *content);

/* epoll.c: fills the sets whose members all have their numbers already, or the others. */
void epoll_watch(bool in_place);
/* Above all numbers that are watched and not theirs any more, which is done last; 0: none. */
uint64_t epoll_old_numbers_end(void);
/* inotify.c: what instances watch. */
void inotify_watch(void);
/* lock.c: takes all locks; or, when descriptors were moved, those again that a close(2) gives up. */
void locks_take(void);
void locks_take_again(void);
/* owner.c: whom a descriptor signals. */
void owners_restore(void);

#endif
