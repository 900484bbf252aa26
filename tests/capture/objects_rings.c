/* As objects.c: what the kernel and the program share memory for: rings of io_uring and asynchronous I/O. */
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "expect.h"
#include "modes.h"

static long submit_reads(aio_context_t context, int file, char *bytes, int count, int first)
{
	struct iocb request[32] = {{0}}, *pointer[32];
	for (int i = 0; i < count; i++) {
		request[i] = (struct iocb){.aio_data = (unsigned int)(first + i),
		                           .aio_lio_opcode = IOCB_CMD_PREAD,
		                           .aio_fildes = (uint32_t)file,
		                           .aio_buf = (uint64_t)bytes,
		                           .aio_nbytes = 1,
		                           .aio_offset = first + i};
		pointer[i] = &request[i];
	}
	return syscall(SYS_io_submit, context, count, pointer);
}

/* Reads `count` events, which are of requests from `first` on. */
static bool got_events(aio_context_t context, int count, int first)
{
	struct io_event event[32];
	if (syscall(SYS_io_getevents, context, count, 32, event, NULL) != count)
		return false;
	for (int i = 0; i < count; i++)
		if (event[i].data != (uint64_t)(first + i) || event[i].res != 1)
			return false;
	return true;
}

/* One that has gone round several times, with events that wait on both sides of its end; one that is new; one
 * that is full of events. */
static void aio(void)
{
	aio_context_t used = 0, new = 0, full = 0;
	char bytes[1] = {0}, zeros[8192] = {0};
	int file = need(memfd_create("input", 0)), next = 0;
	struct io_event none;
	struct timespec now = {0, 0};
	if (syscall(SYS_io_setup, 1, &used) != 0 || syscall(SYS_io_setup, 100, &new) != 0 ||
	    syscall(SYS_io_setup, 1, &full) != 0)
		need(-1);
	EXPECT(write(file, zeros, sizeof(zeros)) == sizeof(zeros));
	uint32_t events = ((const uint32_t *)used)[1];
	for (; next < (int)(2 * events - 5); next++)
		EXPECT(submit_reads(used, file, bytes, 1, next) == 1 && got_events(used, 1, next));
	EXPECT(submit_reads(used, file, bytes, 20, next) == 20);
	int first = 0, taken = 0;
	while ((taken = (int)submit_reads(full, file, bytes, 32, first)) > 0)
		first += taken;
	EXPECT(errno == EAGAIN && first > 0);
	marker();
	EXPECT(submit_reads(used, file, bytes, 3, next + 20) == 3);
	EXPECT(got_events(used, 23, next) && submit_reads(new, file, bytes, 32, 0) == 32);
	EXPECT(got_events(new, 32, 0) && syscall(SYS_io_getevents, new, 0, 1, &none, &now) == 0);
	EXPECT(submit_reads(full, file, bytes, 1, 0) < 0 && errno == EAGAIN);
	for (int i = 0; i < first; i++) {
		EXPECT(syscall(SYS_io_getevents, full, 1, 1, &none, &now) == 1 && none.data == (uint64_t)i);
	}
	EXPECT(submit_reads(full, file, bytes, 32, 0) > 0 && syscall(SYS_io_destroy, full) == 0 &&
	       syscall(SYS_io_destroy, new) == 0 && syscall(SYS_io_destroy, used) == 0);
}

struct ring {
	int fd;
	struct io_uring_params params;
	char *queues;
	struct io_uring_sqe *entry;
};

static uint32_t *word(const struct ring *ring, uint32_t offset)
{
	return (uint32_t *)(ring->queues + offset);
}

static struct ring set_up(uint32_t entries, uint32_t flags)
{
	enum { SIZE = 16384 };
	struct ring ring = {.params = {.flags = flags}};
	ring.fd = need((int)syscall(SYS_io_uring_setup, entries, &ring.params));
	ring.queues = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, 0);
	ring.entry = mmap(NULL, ring.params.sq_entries * sizeof(*ring.entry), PROT_READ | PROT_WRITE,
	                  MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
	if (ring.queues == MAP_FAILED)
		ring.queues = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, 0);
	EXPECT(ring.queues != MAP_FAILED && ring.entry != MAP_FAILED);
	EXPECT(madvise(ring.entry, 4096, MADV_DONTFORK) == 0);
	return ring;
}

/* A request is prepared, as the last one, and its number is what its completion tells. */
static void prepare(const struct ring *ring, struct io_uring_sqe request, uint64_t number)
{
	uint32_t *tail = word(ring, ring->params.sq_off.tail), slot = *tail & (ring->params.sq_entries - 1);
	request.user_data = number;
	ring->entry[slot] = request;
	word(ring, ring->params.sq_off.array)[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
}

static bool enters(const struct ring *ring, uint32_t count, uint32_t awaited)
{
	return syscall(SYS_io_uring_enter, ring->fd, count, awaited, IORING_ENTER_GETEVENTS, NULL, 0) ==
	       count;
}

/* The next completion is of that request, with this result. */
static bool completes(const struct ring *ring, uint64_t number, int32_t result)
{
	uint32_t *head = word(ring, ring->params.cq_off.head);
	const struct io_uring_cqe *completion = (const void *)(ring->queues + ring->params.cq_off.cqes);
	if (*head == __atomic_load_n(word(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE))
		return false;
	completion += *head & (ring->params.cq_entries - 1);
	bool right = completion->user_data == number && completion->res == result;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return right;
}

static bool is_empty(const struct ring *ring)
{
	return *word(ring, ring->params.cq_off.head) == *word(ring, ring->params.cq_off.tail);
}

static const struct io_uring_sqe nothing = {.opcode = IORING_OP_NOP};

/* One in the midst of its count, with completions that wait and requests that are prepared; one that is new;
 * one whose completion queue is full. */
static void uring(void)
{
	enum { BEFORE = 1003, WAIT = 6 };
	struct ring used = set_up(8, 0), new = set_up(64, 0), full = set_up(2, 0);
	char bytes[4] = "";
	int ends[2];
	uint64_t number = 0;
	EXPECT(pipe2(ends, O_CLOEXEC) == 0 && writes(ends[1], "abcdef"));
	const struct io_uring_sqe reads_pipe = {
	        .opcode = IORING_OP_READ, .fd = ends[0], .addr = (uint64_t)(uintptr_t)bytes, .len = 3};
	for (; number < BEFORE; number++) {
		prepare(&used, nothing, number);
		EXPECT(enters(&used, 1, 1) && completes(&used, number, 0));
	}
	for (uint64_t i = 0; i < WAIT; i++)
		prepare(&used, nothing, number + i);
	EXPECT(enters(&used, WAIT, WAIT));
	prepare(&used, reads_pipe, 7777);
	for (uint64_t i = 0; i < full.params.cq_entries; i++) {
		prepare(&full, nothing, i);
		EXPECT(enters(&full, 1, 0));
	}
	marker();
	EXPECT(enters(&used, 1, WAIT + 1) && memcmp(bytes, "abc", 3) == 0);
	for (uint64_t i = 0; i < WAIT; i++)
		EXPECT(completes(&used, number + i, 0));
	EXPECT(completes(&used, 7777, 3) && is_empty(&used));
	for (number = 0; number < 100; number++) {
		const struct ring *ring = number % 2 ? &new : &used;
		prepare(ring, nothing, number);
		EXPECT(enters(ring, 1, 1) && completes(ring, number, 0) && is_empty(ring));
	}
	prepare(&full, nothing, 99); /* there is no room, so the kernel keeps it until there is */
	EXPECT(enters(&full, 1, 0) && *word(&full, full.params.sq_off.flags) & IORING_SQ_CQ_OVERFLOW);
	for (uint64_t i = 0; i < full.params.cq_entries; i++)
		EXPECT(completes(&full, i, 0));
	EXPECT(enters(&full, 0, 1) && completes(&full, 99, 0) && is_empty(&full));
}

/* More completions than requests, of a poll that told of all that came and was removed then. */
static void uring_multishot(void)
{
	enum { MULTI = 1, TIMES = 5 }; /* IORING_POLL_ADD_MULTI, Linux 5.13 */
	struct ring ring = set_up(4, 0);
	int ends[2];
	EXPECT(pipe2(ends, O_CLOEXEC) == 0);
	const struct io_uring_sqe poll_all = {.opcode = IORING_OP_POLL_ADD,
	                                      .fd = ends[0],
	                                      .len = MULTI,
	                                      .poll32_events = 1 /* POLLIN */},
	                          remove = {.opcode = IORING_OP_POLL_REMOVE, .addr = 1};
	prepare(&ring, poll_all, 1);
	EXPECT(enters(&ring, 1, 0));
	for (int i = 0; i < TIMES; i++)
		EXPECT(writes(ends[1], "x") && enters(&ring, 0, 1) && completes(&ring, 1, 1));
	prepare(&ring, remove, 2);
	EXPECT(enters(&ring, 1, 2));
	while (!is_empty(&ring))
		(void)completes(&ring, 0, 0);
	marker();
	for (uint64_t number = 0; number < 20; number++) {
		prepare(&ring, nothing, number);
		EXPECT(enters(&ring, 1, 1) && completes(&ring, number, 0) && is_empty(&ring));
	}
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {MODE(aio), MODE(uring), MODE(uring_multishot)};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
