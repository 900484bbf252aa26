/*
 * POSIX message queues (mq_overview(7)). Messages can only be looked at by taking them: they are put back at
 * once, in the order in which they came, which leaves the queue as it was. Not those of a process that would
 * outlive snaptrace, if that was killed meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tracer/caller.h"
#include "tracer/capture/fds/kinds.h"
#include "tracer/ipc.h"

/* A name without a directory, in a filesystem that need not be mounted. */
bool is_message_queue(const struct open_descriptor *it)
{
	enum { MQUEUE_MAGIC = 0x19800202 }; /* ipc/mqueue.c */
	struct statfs system;

	return it->known && it->link[0] == '/' && !strchr(it->link + 1, '/') &&
	       S_ISREG(it->identity.st_mode) &&
	       statfs(proc_path(it->pid, "fd/%d", it->number).text, &system) == 0 &&
	       system.f_type == MQUEUE_MAGIC;
}

static enum status take_name(struct taking *taking, const struct open_descriptor *it,
                             struct snapimg_object *object)
{
	static const char mark[] = " (deleted)";
	char name[256];
	size_t length = (size_t)snprintf(name, sizeof(name), "%s", it->link);

	object->value[SNAPIMG_MQUEUE_GONE] = it->identity.st_nlink == 0;
	if (it->identity.st_nlink == 0 && length >= sizeof(mark) && length < sizeof(name) &&
	    strcmp(name + length - (sizeof(mark) - 1), mark) == 0)
		name[length - (sizeof(mark) - 1)] = '\0';
	if (ipc_queue_was_there(name))
		return refuse_descriptor(taking->survey, it,
		                         "a POSIX message queue that there was before the program",
		                         "remove it before (mq_unlink(3)), or open it after the point");
	if (it->identity.st_nlink > 0)
		ipc_note_carried_queue(name);
	return objects_name(taking->objects, name, &object->name);
}

/* "QSIZE:129 NOTIFY:2 SIGNO:0 NOTIFY_PID:8260" */
static bool has_notification(int queue)
{
	char text[256] = "";
	ssize_t got = pread(queue, text, sizeof(text) - 1, 0);
	const char *found = got > 0 ? strstr(text, "NOTIFY_PID:") : NULL;

	return found && atoi(found + strlen("NOTIFY_PID:")) != 0;
}

struct waiting {
	char *bytes;
	ssize_t size;
	unsigned int priority;
};

static long take_out(int queue, const struct mq_attr *attributes, struct waiting *message)
{
	long count = 0;

	for (; count < attributes->mq_curmsgs; count++) {
		struct waiting *it = &message[count];
		if (!(it->bytes = malloc((size_t)attributes->mq_msgsize)))
			break;
		it->size = syscall(SYS_mq_timedreceive, queue, it->bytes, attributes->mq_msgsize,
		                   &it->priority, NULL);
		if (it->size < 0) {
			free(it->bytes);
			break;
		}
	}
	return count;
}

static bool put_back(int queue, struct waiting *message, long count)
{
	bool all = true;

	for (long i = 0; i < count; i++)
		all &= syscall(SYS_mq_timedsend, queue, message[i].bytes, message[i].size,
		               message[i].priority, NULL) == 0;
	return all;
}

static enum status take_messages(struct taking *taking, const struct open_descriptor *it, int queue,
                                 const struct mq_attr *attributes)
{
	struct waiting *message = calloc((size_t)attributes->mq_curmsgs, sizeof(*message));
	long count = message ? take_out(queue, attributes, message) : 0;
	enum status status = STATUS_OK;

	if (!put_back(queue, message, count) || count < attributes->mq_curmsgs)
		status = fail(STATUS_FAILED, "%s: can't look at its messages: %s", it->link, strerror(errno));
	for (long i = 0; i < count; i++) {
		if (status == STATUS_OK)
			status = objects_fill(taking->objects, message[i].priority, message[i].bytes,
			                      (uint64_t)message[i].size);
		free(message[i].bytes);
	}
	free(message);
	return status;
}

static enum status take_content(struct taking *taking, const struct open_descriptor *it, int queue,
                                struct snapimg_object *object)
{
	struct mq_attr attributes;

	if (syscall(SYS_mq_getsetattr, queue, NULL, &attributes) < 0)
		return fail(STATUS_FAILED, "%s: can't look at it: %s", it->link, strerror(errno));
	object->value[SNAPIMG_MQUEUE_MODE] = it->identity.st_mode & 07777;
	object->value[SNAPIMG_MQUEUE_MESSAGES] = (uint64_t)attributes.mq_maxmsg;
	object->value[SNAPIMG_MQUEUE_SIZE] = (uint64_t)attributes.mq_msgsize;
	if (has_notification(queue))
		return refuse_descriptor(taking->survey, it,
		                         "a POSIX message queue with a notification (mq_notify)",
		                         "ask for it after the point");
	if (attributes.mq_curmsgs == 0)
		return STATUS_OK;
	if (the_caller.attached)
		return refuse_descriptor(
		        taking->survey, it,
		        "a POSIX message queue with messages, of a process that was attached to",
		        "choose a point where it is empty");
	return take_messages(taking, it, queue, &attributes);
}

enum status take_mqueue(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	struct proc_path path = proc_path(PROC_SELF, "fd/%d", it->copy);
	enum status status;
	int queue;

	if (it->identity.st_uid != geteuid() || it->identity.st_gid != getegid())
		return refuse_descriptor(taking->survey, it, "a POSIX message queue of another user or group",
		                         "open it after the point");
	if (take_reopened(taking, it, object))
		return STATUS_OK;
	if ((queue = open(path.text, O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0)
		return refuse_descriptor(taking->survey, it, "a POSIX message queue that can't be looked at",
		                         "give it mode 0600");
	if ((status = take_name(taking, it, object)) == STATUS_OK)
		status = take_content(taking, it, queue, object);
	close(queue);
	return status;
}
