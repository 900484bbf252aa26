#include "tracer/capture/ipc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "format/base/array.h"
#include "tracer/caller.h"
#include "tracer/capture/capture.h"
#include "tracer/ipc.h"

#ifndef MSG_COPY
#define MSG_COPY 040000 /* msgrcv(2): leaves the message where it is */
#endif

/* What is known of an object without its content. */
struct look {
	const struct captures *captures;
	struct ipc *ipc;
	struct ipc_object object;
	struct ipc_perm owner;
	uint64_t size;
	size_t attached; /* mappings of a segment, all processes' */
	pid_t *user;     /* who used it last */
	size_t user_count;
	int64_t used_at; /* seconds of the Epoch */
};

static enum status refuse_object(const struct look *look, const char *what, const char *advice)
{
	static const char *const names[] = {
	        [SNAPIMG_IPC_SEGMENT] = "System V shared memory",
	        [SNAPIMG_IPC_SEMAPHORES] = "System V semaphores",
	        [SNAPIMG_IPC_QUEUE] = "a System V message queue",
	};
	const struct ipc_object *object = &look->object;
	char text[128];

	snprintf(text, sizeof(text), "%s %s", names[object->kind], what);
	return refuse(text, advice, "id %d, key 0x%08x", object->id, (unsigned int)object->key);
}

/* --- what it is, and who has it */

static enum status add_user(struct look *look, pid_t pid)
{
	pid_t *user = pid > 0 ? array_add(look->user, look->user_count) : NULL;

	if (user)
		*user = pid;
	return pid <= 0 || user ? STATUS_OK : fail(STATUS_FAILED, "out of memory");
}

static void note_time(struct look *look, time_t at)
{
	if ((int64_t)at > look->used_at)
		look->used_at = (int64_t)at;
}

static enum status look_at_segment(struct look *look, bool *ret_known)
{
	struct shmid_ds state = {0};
	enum status status;

	*ret_known = shmctl(look->object.id, IPC_STAT, &state) == 0;
	if (!*ret_known)
		return STATUS_OK;
	look->owner = state.shm_perm;
	look->size = state.shm_segsz;
	look->attached = state.shm_nattch;
	note_time(look, state.shm_atime);
	note_time(look, state.shm_ctime);
	status = add_user(look, state.shm_cpid);
	return status == STATUS_OK ? add_user(look, state.shm_lpid) : status;
}

union semaphore_argument { /* semctl(2) */
	int value;
	struct semid_ds *state;
	unsigned short *values;
};

static enum status look_at_semaphores(struct look *look, bool *ret_known)
{
	struct semid_ds state = {0};
	enum status status = STATUS_OK;

	*ret_known = semctl(look->object.id, 0, IPC_STAT, (union semaphore_argument){.state = &state}) == 0;
	if (!*ret_known)
		return STATUS_OK;
	look->owner = state.sem_perm;
	look->size = state.sem_nsems;
	note_time(look, state.sem_otime);
	note_time(look, state.sem_ctime);
	for (int i = 0; (uint64_t)i < look->size && status == STATUS_OK; i++)
		status = add_user(look, semctl(look->object.id, i, GETPID));
	return status;
}

static enum status look_at_queue(struct look *look, bool *ret_known)
{
	struct msqid_ds state = {0};
	enum status status;

	*ret_known = msgctl(look->object.id, IPC_STAT, &state) == 0;
	if (!*ret_known)
		return STATUS_OK;
	look->owner = state.msg_perm;
	look->size = state.msg_qbytes;
	note_time(look, state.msg_stime);
	note_time(look, state.msg_rtime);
	note_time(look, state.msg_ctime);
	status = add_user(look, state.msg_lspid);
	return status == STATUS_OK ? add_user(look, state.msg_lrpid) : status;
}

static bool is_in_tree(const struct captures *captures, pid_t pid)
{
	for (size_t i = 0; i < captures->count; i++)
		if (captures->capture[i]->request->pid == pid)
			return true;
	for (size_t i = 0; i < captures->tree->count; i++)
		if (captures->tree->member[i].pid == (uint32_t)pid)
			return true;
	return false;
}

static size_t count_attached(const struct look *look)
{
	size_t count = 0;

	for (size_t i = 0; look->object.kind == SNAPIMG_IPC_SEGMENT && i < look->captures->count; i++) {
		const struct shared *shared = &look->captures->capture[i]->shared;
		for (size_t k = 0; k < shared->count; k++)
			if (shared->memory[k].segment == (uint32_t)look->object.id + 1)
				count += shared->memory[k].count;
	}
	return count;
}

/* The ID that used it may since have become that of a process of the tree; not where that began later. */
static bool is_used_inside(const struct look *look)
{
	bool used = false;

	for (size_t i = 0; i < look->user_count; i++)
		used = used || is_in_tree(look->captures, look->user[i]);
	return used && (the_caller.attached || look->used_at >= ipc_remembered_at());
}

static bool is_used_outside(const struct look *look)
{
	bool used = look->attached > count_attached(look);

	for (size_t i = 0; i < look->user_count; i++) {
		pid_t pid = look->user[i];
		used = used || (!is_in_tree(look->captures, pid) && (kill(pid, 0) == 0 || errno == EPERM));
	}
	return used;
}

/* One that a process that was attached to has made, and not used yet, can't be told from others'. */
static bool is_own(const struct look *look)
{
	return ipc_was_got(look->object.kind, look->object.id) || count_attached(look) > 0 ||
	       is_used_inside(look);
}

static enum status check(const struct look *look)
{
	const struct ipc_object *object = &look->object;

	if (!the_caller.attached && ipc_was_there(object->kind, object->id))
		return refuse_object(look, "that there was before the program",
		                     "remove it before (ipcrm), or choose a point before it is used");
	if (is_used_outside(look))
		return refuse_object(look, "that another process has, too",
		                     "freeze that with it (--whole), or choose a point before it is shared");
	if (look->owner.uid != geteuid() || look->owner.cuid != geteuid() || look->owner.gid != getegid() ||
	    look->owner.cgid != getegid())
		return refuse_object(look, "of another user or group", "choose a point before it is given");
	return STATUS_OK;
}

/* --- what it holds */

static enum status add_bytes(struct ipc *ipc, const void *bytes, size_t size)
{
	size_t padded = (size_t)snapimg_align(size, 8);
	uint8_t *grown = array_reserve(ipc->bytes, ipc->size, padded, &ipc->room, 1);

	if (!grown)
		return fail(STATUS_FAILED, "out of memory");
	ipc->bytes = grown;
	memset(grown + ipc->size, 0, padded);
	if (size)
		memcpy(grown + ipc->size, bytes, size);
	ipc->size += padded;
	return STATUS_OK;
}

/* One that no process has attached is read as one that the first process has. */
static enum status take_segment(const struct look *look, struct snapimg_ipc *record)
{
	const uint64_t size = snapimg_align(look->size, SNAPIMG_PAGE_SIZE);
	struct shared_memory *memory;
	size_t found = 0;

	record->flags = (look->owner.mode & SHM_DEST ? SNAPIMG_IPC_REMOVED : 0u) |
	                (look->owner.mode & SHM_LOCKED ? SNAPIMG_IPC_LOCKED : 0u);
	for (size_t i = 0; i < look->captures->count; i++) {
		struct shared *shared = &look->captures->capture[i]->shared;
		for (size_t k = 0; k < shared->count; k++)
			if (shared->memory[k].segment == (uint32_t)look->object.id + 1) {
				shared->memory[k].size = size;
				found++;
			}
	}
	if (found)
		return STATUS_OK;
	struct shared *first = &look->captures->capture[0]->shared;
	if (!(memory = array_add(first->memory, first->count)))
		return fail(STATUS_FAILED, "out of memory");
	*memory =
	        (struct shared_memory){.content = -1, .segment = (uint32_t)look->object.id + 1, .size = size};
	return STATUS_OK;
}

/* Who waits in semop(2) and is stopped counts no more; others are not of the tree. */
static bool is_awaited(const struct look *look)
{
	for (int i = 0; (uint64_t)i < look->size; i++)
		if (semctl(look->object.id, i, GETNCNT) > 0 || semctl(look->object.id, i, GETZCNT) > 0)
			return true;
	return false;
}

static enum status take_semaphores(const struct look *look, struct snapimg_ipc *record)
{
	unsigned short *values = calloc((size_t)look->size + 1, sizeof(*values));
	enum status status = values ? STATUS_OK : fail(STATUS_FAILED, "out of memory");

	record->stored = look->size * sizeof(*values);
	if (!values)
		return status;
	if (semctl(look->object.id, 0, GETALL, (union semaphore_argument){.values = values}) < 0)
		status = refuse_object(look, "that can't be read", "give them mode 0600");
	else if (is_awaited(look))
		status = refuse_object(look, "that another process waits for",
		                       "freeze that with it (--whole)");
	else
		status = add_bytes(look->ipc, values, (size_t)record->stored);
	free(values);
	return status;
}

static enum status take_message(const struct look *look, long index, void *buffer, size_t room,
                                bool *ret_last)
{
	ssize_t size = msgrcv(look->object.id, buffer, room, index, MSG_COPY | IPC_NOWAIT);
	struct snapimg_message message = {.size = size < 0 ? 0 : (uint64_t)size};
	enum status status;
	long type;

	*ret_last = size < 0 && errno == ENOMSG;
	if (*ret_last)
		return STATUS_OK;
	if (size < 0)
		return refuse_object(
		        look, errno == ENOSYS ? "on a kernel without MSG_COPY" : "that can't be read",
		        errno == ENOSYS ? "choose a point where it is empty" : "give it mode 0600");
	memcpy(&type, buffer, sizeof(type));
	message.type = type;
	if ((status = add_bytes(look->ipc, &message, sizeof(message))) != STATUS_OK)
		return status;
	return add_bytes(look->ipc, (const uint8_t *)buffer + sizeof(type), (size_t)size);
}

static enum status take_queue(const struct look *look, struct snapimg_ipc *record)
{
	struct msqid_ds state = {0};
	enum status status = STATUS_OK;
	void *buffer = NULL;
	bool last = false;

	if (msgctl(look->object.id, IPC_STAT, &state) < 0 ||
	    !(buffer = malloc(sizeof(long) + state.__msg_cbytes)))
		return fail(STATUS_FAILED, "can't look at message queue %d: %s", look->object.id,
		            strerror(errno));
	for (long i = 0; !last && status == STATUS_OK && (unsigned long)i < state.msg_qnum; i++)
		status = take_message(look, i, buffer, state.__msg_cbytes, &last);
	free(buffer);
	record->stored = look->ipc->size - record->offset;
	return status;
}

static const struct kind {
	enum status (*look)(struct look *look, bool *ret_known);
	enum status (*take)(const struct look *look, struct snapimg_ipc *record);
} kinds[] = {
        [SNAPIMG_IPC_SEGMENT] = {look_at_segment, take_segment},
        [SNAPIMG_IPC_SEMAPHORES] = {look_at_semaphores, take_semaphores},
        [SNAPIMG_IPC_QUEUE] = {look_at_queue, take_queue},
};

static enum status take(const struct look *look)
{
	struct snapimg_ipc record = {
	        .kind = look->object.kind,
	        .id = look->object.id,
	        .key = (int32_t)look->owner.__key,
	        .mode = look->owner.mode & SNAPIMG_IPC_MODE,
	        .size = look->size,
	        .offset = look->ipc->size,
	};
	enum status status = kinds[look->object.kind].take(look, &record);
	struct snapimg_ipc *added;

	if (status != STATUS_OK)
		return status;
	if (record.stored == 0)
		record.offset = 0;
	if (!(added = array_add(look->ipc->record, look->ipc->count)))
		return fail(STATUS_FAILED, "out of memory");
	*added = record;
	return ipc_note_carried(record.kind, record.id);
}

/* What may not be looked at is somebody else's, which the program can know only by having it attached. */
static enum status consider(struct look *look)
{
	const struct ipc_object *object = &look->object;
	enum status status;
	bool known;

	if ((status = kinds[object->kind].look(look, &known)) != STATUS_OK)
		return status;
	if (!known)
		return count_attached(look) > 0 ? refuse_object(look, "of another user or group",
		                                                "choose a point before it is used")
		                                : STATUS_OK;
	if (!is_own(look))
		return STATUS_OK;
	status = check(look);
	return status == STATUS_OK ? take(look) : status;
}

static int by_kind_and_id(const void *left, const void *right)
{
	const struct ipc_object *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

static bool may_have_any(const struct captures *captures)
{
	bool any = the_caller.attached || ipc_any_got();

	for (size_t i = 0; i < captures->count; i++) {
		const struct shared *shared = &captures->capture[i]->shared;
		for (size_t k = 0; k < shared->count; k++)
			any = any || shared->memory[k].segment;
	}
	return any;
}

static enum status check_listed(const struct shared_memory *memory, const struct ipc_objects *objects)
{
	for (size_t i = 0; i < objects->count; i++)
		if (objects->object[i].kind == SNAPIMG_IPC_SEGMENT &&
		    (uint32_t)objects->object[i].id + 1 == memory->segment)
			return STATUS_OK;
	return memory->segment ? refuse_shared(memory, "System V shared memory that isn't in /proc/sysvipc",
	                                       "choose a point before it is attached")
	                       : STATUS_OK;
}

enum status ipc_read(struct captures *captures)
{
	struct ipc_objects objects = {0};
	enum status status;

	if (!may_have_any(captures))
		return STATUS_OK;
	if ((status = ipc_list(&objects)) != STATUS_OK)
		return status;
	if (objects.count)
		qsort(objects.object, objects.count, sizeof(*objects.object), by_kind_and_id);
	for (size_t i = 0; i < objects.count && status == STATUS_OK; i++) {
		struct look look = {.captures = captures, .ipc = &captures->ipc, .object = objects.object[i]};
		status = pass_refusal(consider(&look));
		free(look.user);
	}
	for (size_t i = 0; i < captures->count; i++)
		for (size_t k = 0; k < captures->capture[i]->shared.count && status == STATUS_OK; k++)
			status =
			        pass_refusal(check_listed(&captures->capture[i]->shared.memory[k], &objects));
	free(objects.object);
	return status;
}

enum snapimg_error ipc_write(const struct ipc *ipc, struct snapimg_writer *writer)
{
	enum snapimg_error error = SNAPIMG_OK;

	if (ipc->count)
		error = snapimg_writer_add(writer, SNAPIMG_SECTION_IPC, ipc->record,
		                           ipc->count * sizeof(*ipc->record));
	if (error == SNAPIMG_OK && ipc->size)
		error = snapimg_writer_add(writer, SNAPIMG_SECTION_IPCDATA, ipc->bytes, ipc->size);
	return error;
}

void ipc_free(struct ipc *ipc)
{
	free(ipc->record);
	free(ipc->bytes);
	*ipc = (struct ipc){0};
}
