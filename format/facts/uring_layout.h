/* Where the parts of an io_uring lie, in one number: the tracer notes it, and the loader compares it with
 * what its kernel has made. */
#ifndef FORMAT_FACTS_URING_LAYOUT_H
#define FORMAT_FACTS_URING_LAYOUT_H

#include <assert.h>
#include <linux/io_uring.h>
#include <stddef.h>
#include <stdint.h>

#include "format/facts/checksum.h"

/* The words of sq_off and cq_off as io_uring_setup(2) has filled them, without the addresses at their ends,
 * which only IORING_SETUP_NO_MMAP uses. */
static inline uint64_t snapimg_uring_layout(const struct io_uring_params *params)
{
	enum { WORDS = 8 }; /* of 32 bits, before the address */
	uint32_t layout[2][WORDS + 2] = {0};
	const uint32_t *from[] = {(const void *)&params->sq_off, (const void *)&params->cq_off};

	static_assert(sizeof(params->sq_off) == sizeof(layout[0]) &&
	                      sizeof(params->cq_off) == sizeof(layout[1]),
	              "both are as long");
	for (size_t i = 0; i < WORDS; i++) {
		layout[0][i] = from[0][i];
		layout[1][i] = from[1][i];
	}
	return snapimg_checksum(layout, sizeof(layout));
}

#endif
