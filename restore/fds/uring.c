/*
 * io_urings. The kernel counts in both queues, and the program has copies of its counts; so a new ring is
 * given as many requests that do nothing (IORING_OP_NOP) as the old one had, and gets the memory of the old
 * one then.
 */
#include <asm/errno.h>
#include <linux/io_uring.h>
#include <linux/mman.h>

#include "format/facts/uring_layout.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"

enum {
	OPERATION_MESSAGE = 40, /* IORING_OP_MSG_RING, Linux 5.18 */
	CQE32 = 1 << 11,
	SENDER_ENTRIES = 32,
};

struct queues {
	int fd;
	struct io_uring_params params;
	uint8_t *memory; /* up to the completion queue's entries: all counts are before them */
	uint64_t size;
};

static uint32_t *word(const struct queues *queues, uint32_t offset)
{
	return (uint32_t *)(queues->memory + offset);
}

static uint32_t completed(const struct queues *queues)
{
	return __atomic_load_n(word(queues, queues->params.cq_off.tail), __ATOMIC_ACQUIRE);
}

static long enter(const struct queues *queues, uint32_t count)
{
	return sys(__NR_io_uring_enter, queues->fd, count, 0, IORING_ENTER_GETEVENTS, 0, 0);
}

/* The memory of a new ring is zero, so all of its requests are NOPs (0) of entry 0. */
static long open_queues(uint32_t entries, struct io_uring_params params, struct queues *queues)
{
	long fd = sys(__NR_io_uring_setup, entries, &params);
	if (fd < 0)
		return fd;
	uint64_t size =
	        params.cq_off.cqes + (uint64_t)params.cq_entries * ((params.flags & CQE32) != 0 ? 32 : 16);
	long memory = sys(__NR_mmap, 0, page_ceil(size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	                  fd, IORING_OFF_SQ_RING);
	if (memory < 0) {
		sys(__NR_close, fd);
		return memory;
	}
	*queues = (struct queues){
	        .fd = (int)fd, .params = params, .memory = (uint8_t *)memory, .size = page_ceil(size)};
	return 0;
}

/* Completions are read, but for those that will wait: so the kernel knows what room is left. */
static uint32_t read_completions(const struct queues *queues, uint32_t read_to)
{
	uint32_t tail = completed(queues), head = tail < read_to ? tail : read_to;
	__atomic_store_n(word(queues, queues->params.cq_off.head), head, __ATOMIC_RELEASE);
	return queues->params.cq_entries - (tail - head);
}

static long do_nothing(const struct queues *queues, uint32_t requests, uint32_t read_to)
{
	for (uint32_t done = 0; done < requests;) {
		uint32_t room = read_completions(queues, read_to), batch = requests - done;
		batch = batch < room ? batch : room;
		batch = batch < queues->params.sq_entries ? batch : queues->params.sq_entries;
		__atomic_store_n(word(queues, queues->params.sq_off.tail), done + batch, __ATOMIC_RELEASE);
		long result = batch == 0 ? -EINVAL : enter(queues, batch);
		if (result <= 0)
			return result < 0 ? result : -EAGAIN;
		done += (uint32_t)result;
		if (completed(queues) != done)
			return -EINVAL;
	}
	return 0;
}

/* More completions than requests: they come as messages of another ring. */
static long send_completions(const struct queues *queues, uint32_t count, uint32_t read_to)
{
	const struct io_uring_params none = {.flags = 0};
	struct queues sender;
	uint32_t begin = completed(queues);
	long result = open_queues(SENDER_ENTRIES, none, &sender);
	if (result < 0)
		return result;
	long memory = sys(__NR_mmap, 0, SNAPIMG_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	                  sender.fd, IORING_OFF_SQES);
	if (memory > 0)
		*(struct io_uring_sqe *)memory =
		        (struct io_uring_sqe){.opcode = OPERATION_MESSAGE, .fd = queues->fd};
	result = memory < 0 ? memory : 0;
	for (uint32_t done = 0; done < count && result >= 0;) {
		uint32_t room = read_completions(queues, read_to), batch = count - done;
		read_completions(&sender, UINT32_MAX);
		batch = batch < room ? batch : room;
		batch = batch < SENDER_ENTRIES ? batch : SENDER_ENTRIES;
		__atomic_store_n(word(&sender, sender.params.sq_off.tail), done + batch, __ATOMIC_RELEASE);
		result = batch == 0 ? -EINVAL : enter(&sender, batch);
		done += result > 0 ? (uint32_t)result : 0;
		if (result >= 0 && (result == 0 || completed(queues) != begin + done))
			result = -EOPNOTSUPP;
	}
	if (memory > 0)
		sys(__NR_munmap, memory, SNAPIMG_PAGE_SIZE);
	sys(__NR_munmap, sender.memory, sender.size);
	sys(__NR_close, sender.fd);
	return result < 0 ? result : 0;
}

static long advance(const struct snapimg_object *object, const struct queues *queues)
{
	uint64_t counts = object->value[SNAPIMG_URING_COUNTS];
	uint32_t requests = (uint32_t)counts, completions = (uint32_t)(counts >> 32);
	uint32_t waiting = (uint32_t)object->value[SNAPIMG_URING_WAITING];
	if (completions < requests || completions < waiting || completions > SNAPIMG_URING_STEPS_MAX)
		return -EINVAL;
	long result = do_nothing(queues, requests, completions - waiting);
	if (result == 0 && completions > requests)
		result = send_completions(queues, completions - requests, completions - waiting);
	read_completions(queues, completions - waiting);
	return result;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long uring_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	uint64_t entries = object->value[SNAPIMG_URING_ENTRIES], flags = object->value[SNAPIMG_URING_FLAGS];
	const struct io_uring_params params = {.cq_entries = (uint32_t)(entries >> 32),
	                                       .flags = (uint32_t)flags | IORING_SETUP_CQSIZE,
	                                       .sq_thread_idle = (uint32_t)(flags >> 32)};
	struct queues queues;
	(void)ret_other;
	long result = open_queues((uint32_t)entries, params, &queues);
	if (result < 0)
		return result;
	if (snapimg_uring_layout(&queues.params) != object->value[SNAPIMG_URING_LAYOUT])
		die(EXIT_REFUSED, loader.options.image,
		    ": this kernel lays an io_uring out in another way than the image has it: freeze the "
		    "program "
		    "again, here");
	result = advance(object, &queues);
	sys(__NR_munmap, queues.memory, queues.size);
	if (result == 0)
		return queues.fd;
	sys(__NR_close, queues.fd);
	return result;
}

long uring_fill(const struct snapimg_content *content, const uint8_t *bytes)
{
	uint64_t base = content->position >= SNAPIMG_URING_SQES ? SNAPIMG_URING_SQES : 0;
	uint64_t from = content->position - base, size = page_ceil(from + content->size);
	long memory = sys(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	                  objects_descriptor(content->object), base);
	if (memory < 0)
		return memory;
	memcpy((uint8_t *)memory + from, bytes, content->size);
	return sys(__NR_munmap, memory, size);
}
