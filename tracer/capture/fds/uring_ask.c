#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer/capture/fds/uring.h"

static size_t whole_pages(size_t size)
{
	return (size + 4095) & ~(size_t)4095;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

bool uring_map(int fd, const struct io_uring_params *params, struct uring *ret_uring)
{
	size_t cqe_size = params->flags & URING_CQE32 ? 32 : 16;
	size_t sqe_size = params->flags & URING_SQE128 ? 128 : 64;
	size_t array_end = params->flags & URING_NO_SQARRAY
	                           ? 0
	                           : params->sq_off.array + params->sq_entries * sizeof(uint32_t);
	struct uring uring = {.fd = fd, .params = *params};

	uring.rings_size =
	        whole_pages(larger(array_end, params->cq_off.cqes + params->cq_entries * cqe_size));
	uring.entries_size = whole_pages(params->sq_entries * sqe_size);
	uring.rings = mmap(NULL, uring.rings_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (uring.rings == MAP_FAILED)
		return false;
	uring.entries =
	        mmap(NULL, uring.entries_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	if (uring.entries == MAP_FAILED) {
		munmap(uring.rings, uring.rings_size);
		return false;
	}
	*ret_uring = uring;
	return true;
}

void uring_unmap(struct uring *uring)
{
	munmap(uring->rings, uring->rings_size);
	munmap(uring->entries, uring->entries_size);
}

static uint32_t tail_of_completions(const struct uring *uring)
{
	return __atomic_load_n(uring_word(uring, uring->params.cq_off.tail), __ATOMIC_ACQUIRE);
}

enum { PATIENCE = 10000 /* ms: for a thread of the kernel's that may have to be made first */ };

/* Puts a request in the place `at` of the submission queue, whatever the program may have prepared there; all
 * has been read before. */
static void put(const struct uring *uring, uint32_t at, const struct io_uring_sqe *request)
{
	const struct io_uring_params *params = &uring->params;
	uint32_t slot = at & (params->sq_entries - 1);
	size_t size = sizeof(*request), stride = params->flags & URING_SQE128 ? 2 * size : size;

	memset(uring->entries + slot * stride, 0, stride);
	memcpy(uring->entries + slot * stride, request, size);
	if (!(params->flags & URING_NO_SQARRAY))
		uring_word(uring, params->sq_off.array)[slot] = slot;
}

/* Submits what was put there, and waits for all of it; false: not all was done. */
static bool submit(const struct uring *uring, uint32_t count)
{
	const struct io_uring_params *params = &uring->params;
	uint32_t head = *uring_word(uring, params->sq_off.head), before = tail_of_completions(uring);
	uint32_t *read_to = uring_word(uring, params->cq_off.head);

	*read_to = before;
	__atomic_store_n(uring_word(uring, params->sq_off.tail), head + count, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, uring->fd, count, 0, IORING_ENTER_GETEVENTS, NULL, 0) != (long)count)
		return false;
	for (uint32_t done; (done = tail_of_completions(uring) - before) < count;) {
		struct pollfd ring = {.fd = uring->fd, .events = POLLIN};
		__atomic_store_n(read_to, before + done, __ATOMIC_RELEASE);
		if (poll(&ring, 1, PATIENCE) <= 0)
			return false;
	}
	return true;
}

/* What the completion says that came so many before the last. */
static int32_t result_of(const struct uring *uring, uint32_t before_last)
{
	const struct io_uring_params *params = &uring->params;
	size_t size = params->flags & URING_CQE32 ? 32 : 16;
	uint32_t slot = (tail_of_completions(uring) - 1 - before_last) & (params->cq_entries - 1);

	return ((const struct io_uring_cqe *)(const void *)(uring->rings + params->cq_off.cqes + slot * size))
	        ->res;
}

/* It is done when all before it are (io_uring_enter(2), IOSQE_IO_DRAIN). Where a request before has left its
 * completion out (IOSQE_CQE_SKIP_SUCCESS), the kernel doesn't know, and says so. */
enum uring_answer uring_is_busy(const struct uring *uring)
{
	const struct io_uring_sqe drain = {.opcode = IORING_OP_NOP, .flags = IOSQE_IO_DRAIN};

	put(uring, *uring_word(uring, uring->params.sq_off.head), &drain);
	if (!submit(uring, 1))
		return URING_YES;
	return result_of(uring, 0) == 0 ? URING_NO : URING_UNKNOWN;
}

enum uring_answer uring_has_buffers(const struct uring *uring)
{
	enum { GROUPS = 1 << 16, NUMBER_OF_BUFFERS = 1 };
	uint32_t batch = uring->params.sq_entries < GROUPS ? uring->params.sq_entries : GROUPS;

	for (uint32_t group = 0; group < GROUPS; group += batch) { /* both are powers of 2 */
		uint32_t head = *uring_word(uring, uring->params.sq_off.head);
		for (uint32_t i = 0; i < batch; i++) {
			const struct io_uring_sqe remove = {.opcode = IORING_OP_REMOVE_BUFFERS,
			                                    .fd = NUMBER_OF_BUFFERS,
			                                    .buf_group = (uint16_t)(group + i)};
			put(uring, head + i, &remove);
		}
		if (!submit(uring, batch))
			return URING_UNKNOWN;
		for (uint32_t i = 0; i < batch; i++)
			if (result_of(uring, i) != -ENOENT)
				return URING_YES;
	}
	return URING_NO;
}
