/* Users and groups that the program, or a thread of it, has changed: had again where who starts it may have
 * them. */
#ifndef RESTORE_BECOME_USERS_H
#define RESTORE_BECOME_USERS_H

#include <stdint.h>

#include "format/image/reader.h"

/* Before a user namespace may be made, in which groups can't be told apart any more. */
void users_keep(void);
/* Ends where a record of users or groups can't be had; then nothing has changed. */
void users_check(const struct snapimg_attribute *record);
/* Of this thread, which is thread `index`; its capabilities stay as they are. */
void users_commit(uint32_t index);

#endif
