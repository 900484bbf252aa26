/*
 * Contexts of asynchronous I/O, io_setup(2). Each is a mapping of the kernel's, whose address is its number
 * and which holds the events that wait (fs/aio.c). Nothing tells of requests that are under way, but
 * io_destroy(2) waits for them: if an event has come by then, there were some. So a context can be carried of
 * a program only that is ended after the dump; a pipe keeps the page with the numbers when the mapping has
 * gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tracer/capture/rings.h"
#include "tracer/ptrace/memory.h"

/* struct aio_ring of fs/aio.c, before the events; since Linux 2.6. */
struct ring {
	uint32_t id, events, head, tail, magic, compatible, incompatible, header_size;
};
#define RING_MAGIC 0xa10a10a1u

static enum status refuse_aio(const struct capture *capture, const struct mapping *mapping, const char *what,
                              const char *advice)
{
	return refuse_mapping(capture->request->pid, mapping->vma, what, advice);
}

static bool is_known(const struct mapping *mapping, const struct ring *ring)
{
	uint64_t size = mapping->vma->end - mapping->vma->start;

	return ring->magic == RING_MAGIC && ring->incompatible == 0 && ring->header_size == sizeof(*ring) &&
	       mapping->vma->offset == 0 &&
	       mapping->vma->protection == (SNAPIMG_PROT_READ | SNAPIMG_PROT_WRITE) &&
	       ring->events == (size - sizeof(*ring)) / SNAPIMG_AIO_EVENT_SIZE;
}

/* Those that wait, in their order. */
static enum status take_events(struct capture *capture, const struct mapping *mapping,
                               const struct ring *ring)
{
	uint32_t count = (ring->tail + ring->events - ring->head) % ring->events;
	uint8_t(*event)[SNAPIMG_AIO_EVENT_SIZE] = calloc(count + 1, sizeof(*event));
	enum status status = event ? STATUS_OK : fail(STATUS_FAILED, "out of memory");

	for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
		uint64_t slot = (ring->head + i) % ring->events;
		if (tracee_read(capture->request->pid,
		                mapping->vma->start + sizeof(*ring) + slot * sizeof(*event), event[i],
		                sizeof(*event)) < 0)
			status = fail(STATUS_FAILED,
			              "can't read the events of an asynchronous I/O context: %s",
			              strerror(errno));
	}
	if (status == STATUS_OK && count > 0)
		status = objects_fill(&capture->descriptors.objects, 0, event, count * sizeof(*event));
	free(event);
	return status;
}

/* The context and its mapping go; *ret_ring is as it was at the last. */
static enum status destroy(const struct remote *remote, uint64_t context, const int ends[2],
                           struct ring *ret_ring, int64_t *ret_result)
{
	const struct iovec page = {(void *)(uintptr_t)context, sizeof(*ret_ring)};
	enum status status;

	if (tracee_write(remote->tid, remote->scratch, &page, sizeof(page)) < 0)
		return fail(STATUS_FAILED, "can't write to process %d: %s", remote->tid, strerror(errno));
	if ((status = remote_call(remote, ret_result, SYS_vmsplice, (uint64_t)ends[1], remote->scratch, 1,
	                          0)) != STATUS_OK ||
	    *ret_result < 0 ||
	    (status = remote_call(remote, ret_result, SYS_io_destroy, context, 0, 0, 0)) != STATUS_OK ||
	    *ret_result < 0 ||
	    (status = remote_call(remote, ret_result, SYS_read, (uint64_t)ends[0], remote->scratch,
	                          sizeof(*ret_ring), 0)) != STATUS_OK ||
	    *ret_result < 0)
		return status;
	if (tracee_read(remote->tid, remote->scratch, ret_ring, sizeof(*ret_ring)) < 0)
		return fail(STATUS_FAILED, "can't read from process %d: %s", remote->tid, strerror(errno));
	return STATUS_OK;
}

/* *ret_result: -errno, else *ret_quiet holds. */
static enum status wait_for_requests(const struct remote *remote, uint64_t context, const struct ring *before,
                                     bool *ret_quiet, int64_t *ret_result)
{
	struct ring after = *before;
	enum status status;
	int64_t closed;
	int ends[2];

	if ((status = remote_call(remote, ret_result, SYS_pipe2, remote->scratch, O_CLOEXEC, 0, 0)) !=
	            STATUS_OK ||
	    *ret_result < 0)
		return status;
	if (tracee_read(remote->tid, remote->scratch, ends, sizeof(ends)) < 0)
		return fail(STATUS_FAILED, "can't read from process %d: %s", remote->tid, strerror(errno));
	status = destroy(remote, context, ends, &after, ret_result);
	for (int i = 0; i < 2 && status == STATUS_OK; i++)
		status = remote_call(remote, &closed, SYS_close, (uint64_t)ends[i], 0, 0, 0);
	*ret_quiet = after.tail == before->tail;
	return status;
}

static enum status check_quiet(struct capture *capture, const struct mapping *mapping,
                               const struct ring *ring)
{
	bool quiet = false;
	int64_t result;
	enum status status = wait_for_requests(&capture->remote, mapping->vma->start, ring, &quiet, &result);

	if (status != STATUS_OK)
		return status;
	if (result < 0)
		return refuse_aio(capture, mapping,
		                  "an asynchronous I/O context (io_setup) that can't be looked at, or is "
		                  "another process's",
		                  "choose a point before it is made");
	return quiet ? STATUS_OK
	             : refuse_aio(capture, mapping,
	                          "an asynchronous I/O context (io_setup) with requests under way",
	                          "choose a point where all are done");
}

enum status aio_take(struct capture *capture, struct mapping *mapping)
{
	struct objects *objects = &capture->descriptors.objects;
	struct snapimg_object object = {.kind = SNAPIMG_OBJECT_AIO};
	struct ring ring;
	enum status status;

	if (!capture->request->ends && !capture->request->is_look)
		return refuse_aio(capture, mapping,
		                  "an asynchronous I/O context (io_setup) of a program that goes on",
		                  "freeze it without --continue or -p");
	if (tracee_read(capture->request->pid, mapping->vma->start, &ring, sizeof(ring)) < 0 ||
	    !is_known(mapping, &ring))
		return refuse_aio(capture, mapping,
		                  "an asynchronous I/O context (io_setup) of an unknown form",
		                  "choose a point before it is made");
	ring.head %= ring.events;
	ring.tail %= ring.events;
	object.value[SNAPIMG_AIO_EVENTS] = ring.events;
	object.value[SNAPIMG_AIO_HEAD] = ring.head;
	object.value[SNAPIMG_AIO_TAIL] = ring.tail;
	if ((status = take_events(capture, mapping, &ring)) != STATUS_OK ||
	    (!capture->request->is_look && (status = check_quiet(capture, mapping, &ring)) != STATUS_OK))
		return status;
	mapping->record.file = (uint32_t)objects->object.count + 1;
	return objects_add(objects, &object);
}
