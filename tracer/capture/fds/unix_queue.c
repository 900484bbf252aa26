/* What is on its way in a Unix socket: bytes, and messages, also empty ones, with their descriptors. */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"

#define INTERRUPTED "receive it before the point"

/* What the messages that were seen are charged to their sender. */
struct measure {
	int ends[2];
	uint64_t cost;
	size_t empty; /* messages without bytes */
	bool is_known;
};

/* What a message of that size is charged to its sender until it is received (SIOCOUTQ): the kernel counts
 * buffers, not bytes. 0: it can't be told. */
static uint64_t cost_of(const struct measure *measure, const char *bytes, size_t size)
{
	char byte;
	int cost = 0;

	if (send(measure->ends[0], bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
		return 0;
	(void)ioctl(measure->ends[0], SIOCOUTQ, &cost);
	(void)recv(measure->ends[1], &byte, 1, MSG_DONTWAIT);
	return cost > 0 ? (uint64_t)cost : 0;
}

/* A message without bytes that was looked at before, be it for an earlier image, is not shown again. But its
 * sender is still charged for it. */
static bool lacks_messages(const struct measure *measure, const struct taking *taking,
                           struct open_descriptor *sender)
{
	int charged = 0;
	uint64_t empty = cost_of(measure, "", 0), missing;

	if (!sender || !survey_try_copy(taking->survey, sender) ||
	    ioctl(sender->copy, SIOCOUTQ, &charged) < 0 || !measure->is_known || empty == 0)
		return measure->empty > 0;
	missing = (uint64_t)charged - measure->cost;
	return missing != 0 && (measure->empty > 0 || (missing < INT32_MAX && missing % empty == 0));
}

/* The kernel shows an empty message only to who looks first. */
static enum status check_messages(struct taking *taking, struct open_descriptor *it, int type,
                                  const struct waiting_queue *queue, struct open_descriptor *sender)
{
	struct measure measure = {.is_known = true};
	enum status status = STATUS_OK;

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, measure.ends) < 0)
		return fail(STATUS_FAILED, "can't make a socket: %s", strerror(errno));
	for (size_t i = 0; i < queue->count; i++) {
		const struct waiting_message *message = &queue->message[i];
		uint64_t cost = cost_of(&measure, queue->bytes + message->offset, message->size);
		measure.is_known = measure.is_known && cost > 0;
		measure.cost += cost;
		measure.empty += message->size == 0;
	}
	if (lacks_messages(&measure, taking, sender))
		status = refuse_descriptor(taking->survey, it,
		                           "an empty message in a Unix socket that was looked at before, or "
		                           "whose sender is closed",
		                           INTERRUPTED);
	close(measure.ends[0]);
	close(measure.ends[1]);
	return status;
}

static enum status take_message(struct taking *taking, const struct waiting_queue *queue,
                                const struct waiting_message *message)
{
	enum status status = objects_fill(taking->objects, 0, queue->bytes + message->offset, message->size);

	for (size_t i = 0; i < message->passed && status == STATUS_OK; i++)
		status = objects_pass(taking->objects, message->first + i);
	return status;
}

enum status take_unix_queue(struct taking *taking, struct open_descriptor *it, int type,
                            struct open_descriptor *sender)
{
	const struct waiting_queue *queue = survey_queue(taking->survey, it->identity.st_ino);
	enum status status = STATUS_OK;
	size_t bytes = 0;
	int waiting = 0;

	if (ioctl(it->copy, FIONREAD, &waiting) < 0)
		return refuse_descriptor(taking->survey, it, "a Unix socket", "close it before the point");
	for (size_t i = 0; queue && i < queue->count; i++)
		bytes += queue->message[i].size;
	if (queue && queue->refused)
		return refuse_descriptor(taking->survey, it, queue->refused, INTERRUPTED);
	if (type == SOCK_STREAM && bytes != (size_t)waiting)
		return refuse_descriptor(taking->survey, it, "data in a Unix socket", INTERRUPTED);
	if (queue && type != SOCK_STREAM)
		status = check_messages(taking, it, type, queue, sender);
	for (size_t i = 0; queue && i < queue->count && status == STATUS_OK; i++)
		status = take_message(taking, queue, &queue->message[i]);
	return status;
}
