/* System V shared memory, semaphores and message queues that only the program, or its tree, has. */
#ifndef TRACER_CAPTURE_IPC_H
#define TRACER_CAPTURE_IPC_H

#include "format/base/message.h"
#include "format/image/writer.h"

struct ipc {
	struct snapimg_ipc *record; /* sorted by kind and id */
	size_t count;
	uint8_t *bytes; /* IPCDATA */
	size_t size, room;
};

struct captures;
/* Finds them when the mappings of all are known; refuses what others have, too. Segments become memory of the
 * processes (memory/shared.h). */
enum status ipc_read(struct captures *captures) __attribute__((warn_unused_result));
enum snapimg_error ipc_write(const struct ipc *ipc, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void ipc_free(struct ipc *ipc);

#endif
