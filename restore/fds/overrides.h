/* What the caller wants to become of descriptors (--fd), whatever the image says. */
#ifndef RESTORE_FDS_OVERRIDES_H
#define RESTORE_FDS_OVERRIDES_H

#include <stdbool.h>
#include <stdint.h>

#include "restore/loader.h"

/* Sees that the image has the descriptors, opens the files, and copies the caller's that are wanted out of
 * the way. */
void overrides_prepare(void);
/* NULL: none for this number. */
struct override *overrides_find(int32_t number);
/* Whether it is something now that no epoll set can watch. */
bool overrides_take(int32_t number);
/* Whether any descriptor of the image still needs what record `index` of DESCRIPTORS stands for. */
bool overrides_leave_need(uint32_t index);
/* The same for an object: no descriptor, or only such as are something else now. */
bool overrides_leave_object(uint32_t object);
/* Puts all in their places, when the image's descriptors are in theirs. */
void overrides_commit(void);

#endif
