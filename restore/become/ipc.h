/* System V shared memory, semaphores and message queues (IPC of the image), in an IPC namespace. */
#ifndef RESTORE_BECOME_IPC_H
#define RESTORE_BECOME_IPC_H

#include <stdbool.h>

#include "restore/loader.h"

/* Whether the program, or its tree, needs a namespace for them or for POSIX message queues (fds/mqueue.c).
 * Here, as few starts need the code of ipc.c. */
static inline bool ipc_is_needed(void)
{
	return (loader.image.header->required_features & SNAPIMG_FEATURE_IPC) != 0;
}
/* Which of both, for a message. */
const char *ipc_needed_for(void);
/* In the namespace, with all capabilities in it: makes them, with their ids. */
void ipc_make(void);
/* Attaches a SEGMENT at its place; returns its address or the error. */
long ipc_attach(const struct snapimg_mapping *memory);
/* Maps a view of it that can't be written. */
long ipc_map_read_only(const struct snapimg_mapping *view, const struct snapimg_mapping *memory);
/* When all processes have attached what they have: modes, and removed segments. */
void ipc_settle(void);

#endif
