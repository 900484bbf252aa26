/* Who is told what about descriptors: inotify watches, owners for signals. */
#ifndef RESTORE_FDS_NOTICES_H
#define RESTORE_FDS_NOTICES_H

#include <stdint.h>

/* What an INOTIFY object watches. */
void notices_restore(uint32_t object, int descriptor);
/* When all descriptors are at their numbers. */
void owners_restore(void);

#endif
