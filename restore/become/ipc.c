/*
 * The ids are the program's own: it keeps them, and others find the objects by them. In a new namespace
 * /proc/sys/kernel/{shm,sem,msg}_next_id chooses the next one (Linux 3.9, CONFIG_CHECKPOINT_RESTORE; who has
 * CAP_CHECKPOINT_RESTORE in the namespace may write it since 5.16). Where it can't be written, as in most
 * containers, objects are made and removed until the wanted id comes: the kernel gives them in order, the low
 * 15 bits from 0 to 63 or more, then a sequence number above them (ipc/util.c, ipc_idr_alloc()).
 */
#include "restore/become/ipc.h"

#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/fcntl.h>
#include <linux/ipc.h>
#include <linux/mman.h>
#include <linux/msg.h>
#include <linux/sem.h>
#include <linux/shm.h>

#include "restore/base/limits.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

enum {
	TRIES_MAX = 400000, /* about half a second */
	OWN_MODE = 0600,    /* until all is in place */
};

static _Noreturn void die_at(const struct snapimg_ipc *it, const char *what, long result, const char *advice)
{
	die(EXIT_REFUSED, loader.options.image, ": System V ", snapimg_ipc_name(it->kind), " with id ",
	    dec((uint64_t)it->id), ": ", what, ": ", error_text(result), advice);
}

static long create(const struct snapimg_ipc *it)
{
	const uint64_t flags = IPC_CREAT | IPC_EXCL | OWN_MODE;
	switch (it->kind) {
	case SNAPIMG_IPC_SEGMENT:
		return sys(__NR_shmget, it->key, it->size, flags);
	case SNAPIMG_IPC_SEMAPHORES:
		return sys(__NR_semget, it->key, it->size, flags);
	default:
		return sys(__NR_msgget, it->key, flags);
	}
}

static long control(const struct snapimg_ipc *it, int32_t id, uint64_t command, void *argument)
{
	switch (it->kind) {
	case SNAPIMG_IPC_SEGMENT:
		return sys(__NR_shmctl, id, command, argument);
	case SNAPIMG_IPC_SEMAPHORES:
		return sys(__NR_semctl, id, 0, command, argument);
	default:
		return sys(__NR_msgctl, id, command, argument);
	}
}

static bool choose_id(const struct snapimg_ipc *it)
{
	static const char *const paths[] = {
	        [SNAPIMG_IPC_SEGMENT] = "/proc/sys/kernel/shm_next_id",
	        [SNAPIMG_IPC_SEMAPHORES] = "/proc/sys/kernel/sem_next_id",
	        [SNAPIMG_IPC_QUEUE] = "/proc/sys/kernel/msg_next_id",
	};
	long descriptor = sys(__NR_openat, AT_FDCWD, paths[it->kind], O_WRONLY | O_CLOEXEC);
	if (descriptor < 0)
		return false;
	bool written = print_parts((int)descriptor, (const char *const[]){dec((uint64_t)it->id), "\n", NULL});
	sys(__NR_close, descriptor);
	return written;
}

static void make_one(const struct snapimg_ipc *it)
{
	uint32_t tries = choose_id(it) ? 1 : TRIES_MAX;
	long id = 0;
	while (tries-- > 0) {
		id = create(it);
		if (id < 0)
			die_at(it, "cannot be made", id, "");
		if (id == it->id)
			return;
		control(it, (int32_t)id, IPC_RMID, NULL);
		if (id > it->id)
			break;
	}
	die_at(it, "cannot have that id", -EEXIST,
	       ": it is chosen by /proc/sys/kernel/*_next_id, which must be writable here");
}

static void fill_semaphores(const struct snapimg_ipc *it)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): IPCDATA is only read */
	long result = control(it, it->id, SETALL, (void *)(uint64_t)snapimg_ipc_bytes(&loader.image, it));
	if (result < 0)
		die_at(it, "cannot have its values", result, "");
}

/* The kernel reads the type from before the bytes, where the image has the size: so from a copy. */
static void send_message(const struct snapimg_ipc *it, const struct snapimg_message *message)
{
	static struct {
		int64_t type;
		uint8_t bytes[1 << 16];
	} sent;
	if (message->size > sizeof sent.bytes)
		die_at(it, "has a message of more than 64 KiB", -EMSGSIZE, "");
	sent.type = message->type;
	memcpy(sent.bytes, message + 1, message->size);
	long result = sys(__NR_msgsnd, it->id, &sent, message->size, IPC_NOWAIT);
	if (result < 0)
		die_at(it, "cannot hold its messages", result,
		       ": kernel.msgmnb and kernel.msgmax of a new namespace are too small");
}

static void set_mode(const struct snapimg_ipc *it)
{
	union {
		struct shmid64_ds segment;
		struct semid64_ds semaphores;
		struct msqid64_ds queue;
		struct ipc64_perm owner; /* the first member of each */
	} state = {0};
	long result = control(it, it->id, IPC_STAT, &state);
	state.owner.mode = (state.owner.mode & ~(uint32_t)SNAPIMG_IPC_MODE) | it->mode;
	if (it->kind == SNAPIMG_IPC_QUEUE)
		state.queue.msg_qbytes = it->size;
	if (result >= 0)
		result = control(it, it->id, IPC_SET, &state);
	if (result < 0)
		die_at(it, "cannot have its mode or size", result, "");
}

static void fill_queue(const struct snapimg_ipc *it)
{
	const uint8_t *bytes = snapimg_ipc_bytes(&loader.image, it);
	set_mode(it);
	for (uint64_t at = 0; at < it->stored;) {
		const struct snapimg_message *message = (const void *)(bytes + at);
		send_message(it, message);
		at += sizeof *message + snapimg_align(message->size, 8);
	}
}

static void lock_segment(const struct snapimg_ipc *it)
{
	limit_raise(RLIMIT_MEMLOCK);
	long result = control(it, it->id, SHM_LOCK, NULL);
	if (result < 0)
		die_at(it, "cannot be locked in memory", result, ": raise ulimit -Hl");
}

const char *ipc_needed_for(void)
{
	return snapimg_ipc_count(&loader.image) > 0 ? "System V objects" : "POSIX message queues";
}

void ipc_make(void)
{
	const struct snapimg_ipc *it = snapimg_get_ipc(&loader.image);
	for (uint32_t i = 0; i < snapimg_ipc_count(&loader.image); i++) {
		make_one(&it[i]);
		if (it[i].kind == SNAPIMG_IPC_SEMAPHORES)
			fill_semaphores(&it[i]);
		else if (it[i].kind == SNAPIMG_IPC_QUEUE)
			fill_queue(&it[i]);
		else if ((it[i].flags & SNAPIMG_IPC_LOCKED) != 0)
			lock_segment(&it[i]);
	}
}

long ipc_attach(const struct snapimg_mapping *memory)
{
	return sys(__NR_shmat, memory->file - 1, memory->start, 0);
}

/* Attached once more, for a view of what can be written could be made writable. */
long ipc_map_read_only(const struct snapimg_mapping *view, const struct snapimg_mapping *memory)
{
	uint64_t size = view->end - view->start;
	long all = sys(__NR_shmat, memory->file - 1, 0, SHM_RDONLY);
	if (all < 0)
		return all;
	long result = sys(__NR_mremap, (uint64_t)all + view->offset, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED,
	                  view->start);
	sys(__NR_munmap, all, memory->end - memory->start);
	if (result != (long)view->start)
		return result;
	long protected = sys(__NR_mprotect, view->start, size, view->protection);
	return protected < 0 ? protected : result;
}

void ipc_settle(void)
{
	const struct snapimg_ipc *it = snapimg_get_ipc(&loader.image);
	for (uint32_t i = 0; i < snapimg_ipc_count(&loader.image); i++) {
		if (it[i].mode != OWN_MODE)
			set_mode(&it[i]);
		if ((it[i].flags & SNAPIMG_IPC_REMOVED) != 0)
			control(&it[i], it[i].id, IPC_RMID, NULL);
	}
}
