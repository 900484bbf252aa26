/* Records of layout.h: System V objects. */
#ifndef FORMAT_IMAGE_LAYOUT_IPC_H
#define FORMAT_IMAGE_LAYOUT_IPC_H

#include <assert.h>
#include <stdint.h>

/* What lives in an IPC namespace beside the processes (sysvipc(7)). X(NAME, number, text) */
#define SNAPIMG_IPC_KINDS(X)                                                                                 \
	X(SEGMENT, 1, "shared memory")                                                                       \
	X(SEMAPHORES, 2, "semaphores")                                                                       \
	X(QUEUE, 3, "message queue")
enum snapimg_ipc_kind {
#define X(name, number, text) SNAPIMG_IPC_##name = (number),
	SNAPIMG_IPC_KINDS(X)
#undef X
};
enum snapimg_ipc_flag {
	SNAPIMG_IPC_REMOVED = 1, /* a SEGMENT that goes with its last attachment (IPC_RMID) */
	SNAPIMG_IPC_LOCKED = 2,  /* a SEGMENT in memory (SHM_LOCK) */
};
struct snapimg_ipc {
	uint32_t kind; /* enum snapimg_ipc_kind */
	int32_t id;
	int32_t key; /* 0: IPC_PRIVATE */
	uint32_t mode;
	uint32_t flags;
	uint32_t reserved_zero;
	uint64_t size;   /* SEGMENT: bytes; SEMAPHORES: how many; QUEUE: bytes that it takes */
	uint64_t offset; /* in IPCDATA: what SEMAPHORES hold, u16 each; QUEUE: struct snapimg_message each */
	uint64_t stored; /* bytes there */
};
static_assert(sizeof(struct snapimg_ipc) == 48, "IPC layout");
struct snapimg_message { /* its bytes follow, and zeros to the next multiple of 8 */
	int64_t type;
	uint64_t size;
};
static_assert(sizeof(struct snapimg_message) == 16, "message layout");
enum {
	SNAPIMG_IPC_MODE = 0777,
	SNAPIMG_SEMAPHORES_MAX = 65536,
	SNAPIMG_SEMAPHORE_VALUE_MAX = 32767, /* SEMVMX, semop(2) */
	SNAPIMG_MESSAGE_MAX = 1 << 30,
};

#endif
