#include "tracer/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/proc.h"

static struct ipc_objects before, got, carried;
static int64_t remembered_at;
static struct queue {
	char name[256]; /* NAME_MAX and 1 */
	bool was_there, carried;
} * queues;
static size_t queue_count;

static struct queue *find_queue(const char *name)
{
	for (size_t i = 0; i < queue_count; i++)
		if (strcmp(queues[i].name, name) == 0)
			return &queues[i];
	return NULL;
}

/* key, id and more for each, after a line of headings. */
static enum status list_kind(enum snapimg_ipc_kind kind, const char *path, struct ipc_objects *objects)
{
	struct text text CLEANUP(text_free) = {0};
	int key, id;

	if (proc_try_read(path, &text) < 0)
		return STATUS_OK;
	for (const char *line = text.bytes; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (sscanf(line, "%d %d", &key, &id) != 2)
			continue;
		struct ipc_object *object = array_add(objects->object, objects->count);
		if (!object)
			return fail(STATUS_FAILED, "out of memory");
		*object = (struct ipc_object){kind, key, id};
	}
	return STATUS_OK;
}

enum status ipc_list(struct ipc_objects *ret_objects)
{
	static const char *const path[] = {
	        [SNAPIMG_IPC_SEGMENT] = "/proc/sysvipc/shm",
	        [SNAPIMG_IPC_SEMAPHORES] = "/proc/sysvipc/sem",
	        [SNAPIMG_IPC_QUEUE] = "/proc/sysvipc/msg",
	};
	struct ipc_objects objects = {0};
	enum status status = STATUS_OK;

	for (enum snapimg_ipc_kind kind = SNAPIMG_IPC_SEGMENT;
	     kind <= SNAPIMG_IPC_QUEUE && status == STATUS_OK; kind++)
		status = list_kind(kind, path[kind], &objects);
	if (status == STATUS_OK)
		*ret_objects = objects;
	else
		free(objects.object);
	return status;
}

enum status ipc_remember(void)
{
	remembered_at = (int64_t)time(NULL);
	return ipc_list(&before);
}

static bool has(const struct ipc_objects *objects, enum snapimg_ipc_kind kind, int id)
{
	for (size_t i = 0; i < objects->count; i++)
		if (objects->object[i].kind == kind && objects->object[i].id == id)
			return true;
	return false;
}

bool ipc_was_there(enum snapimg_ipc_kind kind, int id)
{
	return has(&before, kind, id);
}

int64_t ipc_remembered_at(void)
{
	return remembered_at;
}

void ipc_note_got(uint64_t kind, int64_t id)
{
	struct ipc_object *added;

	if (has(&got, (enum snapimg_ipc_kind)kind, (int)id))
		return;
	if ((added = array_add(got.object, got.count)))
		*added = (struct ipc_object){(enum snapimg_ipc_kind)kind, 0, (int)id};
}

bool ipc_any_got(void)
{
	return got.count > 0;
}

bool ipc_was_got(enum snapimg_ipc_kind kind, int id)
{
	return has(&got, kind, id);
}

/* One that is there when a process of the program first opens it was there before. */
void ipc_note_queue(const char *name)
{
	struct queue *queue;

	if (find_queue(name) || !(queue = array_add(queues, queue_count)))
		return;
	snprintf(queue->name, sizeof(queue->name), "%s", name);
	long found = syscall(SYS_mq_open, name + 1, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, NULL);
	queue->was_there = found >= 0 || errno != ENOENT;
	if (found >= 0)
		close((int)found);
}

bool ipc_queue_was_there(const char *name)
{
	const struct queue *queue = find_queue(name);

	return queue && queue->was_there;
}

void ipc_note_carried_queue(const char *name)
{
	struct queue *queue = find_queue(name);

	if (!queue && (queue = array_add(queues, queue_count)))
		snprintf(queue->name, sizeof(queue->name), "%s", name);
	if (queue)
		queue->carried = true;
}

enum status ipc_note_carried(enum snapimg_ipc_kind kind, int id)
{
	struct ipc_object *added = array_add(carried.object, carried.count);

	if (!added)
		return fail(STATUS_FAILED, "out of memory");
	*added = (struct ipc_object){kind, 0, id};
	return STATUS_OK;
}

void ipc_remove_carried(void)
{
	for (size_t i = 0; i < queue_count; i++)
		if (queues[i].carried)
			(void)syscall(SYS_mq_unlink, queues[i].name + 1);
	for (size_t i = 0; i < carried.count; i++) {
		const struct ipc_object *object = &carried.object[i];
		if (object->kind == SNAPIMG_IPC_SEGMENT)
			(void)shmctl(object->id, IPC_RMID, NULL);
		else if (object->kind == SNAPIMG_IPC_SEMAPHORES)
			(void)semctl(object->id, 0, IPC_RMID);
		else
			(void)msgctl(object->id, IPC_RMID, NULL);
	}
}
