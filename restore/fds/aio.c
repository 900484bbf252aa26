/*
 * Contexts of asynchronous I/O. io_setup(2) chooses the place; mremap(2) moves it and makes the new one the
 * number of the context (fs/aio.c, aio_ring_mremap). The kernel counts what it has put into the ring: it has
 * done as many reads of an empty file when the next event comes where it came before.
 */
#include <asm/errno.h>
#include <assert.h>
#include <linux/aio_abi.h>
#include <linux/memfd.h>
#include <linux/mman.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"

enum { BATCH = 32 };

/* struct aio_ring of fs/aio.c */
struct ring {
	uint32_t id, events, head, tail, magic, compatible, incompatible, header_size;
	struct io_event event[];
};
static_assert(sizeof(struct ring) == SNAPIMG_AIO_HEADER_SIZE &&
                      sizeof(struct io_event) == SNAPIMG_AIO_EVENT_SIZE,
              "the kernel's ring");

static const struct snapimg_mapping *mapping_of(uint32_t index)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if (mapping[i].kind == SNAPIMG_MAPPING_RING && mapping[i].file == index + 1)
			return &mapping[i];
	return NULL;
}

/* A context of as many events as fill the same pages. */
static long set_up(const struct snapimg_object *object, const struct snapimg_mapping *mapping)
{
	uint64_t events = object->value[SNAPIMG_AIO_EVENTS], size = mapping->end - mapping->start;
	uint64_t context = 0;
	/* The kernel doubles the number, adds 2, and takes all that the pages have room for. */
	long result = sys(__NR_io_setup, events > 4 ? (events - 2) / 2 : 1, &context);
	if (result < 0 || context == 0)
		return result < 0 ? result : -EINVAL;
	if (((const struct ring *)context)->events != events)
		die(EXIT_REFUSED, "an asynchronous I/O context (io_setup) of ", dec(events),
		    " events can't be made here: the kernel makes it larger for its processors");
	result = sys(__NR_mremap, context, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, mapping->start);
	return result == (long)mapping->start ? 0 : result;
}

static long submit(uint64_t context, long count, int file)
{
	static uint8_t byte;
	struct iocb request[BATCH];
	uint64_t pointer[BATCH];
	memset(request, 0, sizeof request);
	for (int i = 0; i < BATCH; i++) {
		request[i].aio_lio_opcode = IOCB_CMD_PREAD;
		request[i].aio_fildes = (uint32_t)file;
		request[i].aio_buf = (uint64_t)&byte;
		request[i].aio_nbytes = 1;
		pointer[i] = (uint64_t)&request[i];
	}
	return sys(__NR_io_submit, context, count, pointer);
}

/* All that come, but for those that wait, are taken out: so the kernel knows what room is left. */
static long advance(const struct snapimg_object *object, struct ring *ring, int file)
{
	uint64_t events = object->value[SNAPIMG_AIO_EVENTS], head = object->value[SNAPIMG_AIO_HEAD];
	uint64_t end = object->value[SNAPIMG_AIO_TAIL];
	end = end < head ? end + events : end;
	for (uint64_t done = 0, taken = 0; done < end;) {
		struct io_event event[BATCH];
		uint64_t count = end - done < BATCH ? end - done : BATCH;
		long result = submit((uint64_t)ring, (long)count, file);
		if (result <= 0)
			return result < 0 ? result : -EAGAIN;
		done += (uint64_t)result;
		while (taken < done && taken < head) {
			uint64_t most = (done < head ? done : head) - taken;
			result = sys(__NR_io_getevents, ring, 1, most < BATCH ? most : BATCH, event, 0);
			if (result <= 0)
				return result < 0 ? result : -EAGAIN;
			taken += (uint64_t)result;
		}
	}
	return ring->head == head && ring->tail == object->value[SNAPIMG_AIO_TAIL] ? 0 : -EINVAL;
}

/* Returns a descriptor that only helps: none leads to a context. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long aio_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const struct snapimg_mapping *mapping = mapping_of(index);
	(void)ret_other;
	if (mapping == NULL)
		return -EINVAL;
	/* So that the new one doesn't lie in its way. */
	long result = sys(__NR_mmap, mapping->start, mapping->end - mapping->start, PROT_NONE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (result < 0 || (result = set_up(object, mapping)) < 0)
		return result;
	long empty = sys(__NR_memfd_create, "empty", MFD_CLOEXEC);
	if (empty < 0 || (result = advance(object, (struct ring *)mapping->start, (int)empty)) == 0)
		return empty;
	sys(__NR_close, empty);
	return result;
}

long aio_fill(const struct snapimg_content *content, const uint8_t *bytes)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[content->object];
	struct ring *ring = (struct ring *)mapping_of(content->object)->start;
	uint64_t events = object->value[SNAPIMG_AIO_EVENTS], head = object->value[SNAPIMG_AIO_HEAD];
	for (uint64_t i = 0; i < content->size / sizeof(struct io_event); i++)
		memcpy(&ring->event[(head + i) % events], bytes + i * sizeof(struct io_event),
		       sizeof(struct io_event));
	return 0;
}
