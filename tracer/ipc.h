/* System V objects of the IPC namespace (sysvipc(7)): those that there were before the program began, and
 * those that it got an id of. */
#ifndef TRACER_IPC_H
#define TRACER_IPC_H

#include <stdbool.h>
#include <stddef.h>

#include "format/base/message.h"
#include "format/image/layout.h"

struct ipc_object {
	enum snapimg_ipc_kind kind;
	int key, id;
};
struct ipc_objects {
	struct ipc_object *object;
	size_t count;
};

/* All that there are now, of /proc/sysvipc; none where the kernel has none. Owned: free(object). */
enum status ipc_list(struct ipc_objects *ret_objects) __attribute__((warn_unused_result));

/* Before the program begins. */
enum status ipc_remember(void) __attribute__((warn_unused_result));
/* Whether there was one of this id then. */
bool ipc_was_there(enum snapimg_ipc_kind kind, int id);
/* When that was: seconds of the Epoch. */
int64_t ipc_remembered_at(void);

/* A process that is followed got the id of one, shmget(2) and so on. */
void ipc_note_got(uint64_t kind, int64_t id);
/* Whether any did; whether it was this one. */
bool ipc_any_got(void);
bool ipc_was_got(enum snapimg_ipc_kind kind, int id);

/* A process that is followed opens the POSIX message queue of this name, with its slash. */
void ipc_note_queue(const char *name);
/* Whether it was there when none of them had opened it yet. */
bool ipc_queue_was_there(const char *name);
void ipc_note_carried_queue(const char *name);

/* It is in the image, and nobody else's. */
enum status ipc_note_carried(enum snapimg_ipc_kind kind, int id) __attribute__((warn_unused_result));
/* When the program was ended after its freeze: what nobody would ever remove goes, too. */
void ipc_remove_carried(void);

#endif
