/* An io_uring of the program's, mapped here by a copy of its descriptor (fds/uring.c, uring_ask.c). */
#ifndef TRACER_CAPTURE_FDS_URING_H
#define TRACER_CAPTURE_FDS_URING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What headers of Linux 5.10 don't name yet. */
enum {
	URING_SUBMIT_ALL = 1 << 7,
	URING_COOP_TASKRUN = 1 << 8,
	URING_TASKRUN_FLAG = 1 << 9,
	URING_SQE128 = 1 << 10,
	URING_CQE32 = 1 << 11,
	URING_NO_SQARRAY = 1 << 16,
};

struct uring {
	int fd;
	struct io_uring_params params;
	uint8_t *rings; /* both queues but for the submission entries */
	size_t rings_size;
	uint8_t *entries;
	size_t entries_size;
};

/* The 32-bit number at an offset of sq_off or cq_off. */
static inline uint32_t *uring_word(const struct uring *uring, uint32_t offset)
{
	return (uint32_t *)(void *)(uring->rings + offset);
}

bool uring_map(int fd, const struct io_uring_params *params, struct uring *ret_uring);
void uring_unmap(struct uring *uring);

/* These submit requests of their own, after which the program can't use the ring any more. */
enum uring_answer { URING_NO, URING_YES, URING_UNKNOWN };
/* Whether a request is under way. */
enum uring_answer uring_is_busy(const struct uring *uring);
/* Whether it has buffers to choose from (IORING_OP_PROVIDE_BUFFERS, IORING_REGISTER_PBUF_RING). */
enum uring_answer uring_has_buffers(const struct uring *uring);

#endif
