/* One thread's compressor, in memory that is populated once. */
#ifndef TRACER_CAPTURE_STORE_COMPRESSOR_H
#define TRACER_CAPTURE_STORE_COMPRESSOR_H

#include <stddef.h>
#include <stdint.h>

#include "format/base/message.h"

struct ZSTD_CCtx_s;

struct compressor {
	void *workspace;
	size_t workspace_size;
	struct ZSTD_CCtx_s *context; /* lies in the workspace */
};

/* For inputs of at most `largest` bytes. No match is shorter than least_match bytes (at most 7; 0: as the
 * level has it): fewer and longer ones are decoded faster. */
enum status compressor_open(int level, unsigned int least_match, size_t largest,
                            struct compressor *ret_compressor) __attribute__((warn_unused_result));
/* Bytes that it will take. */
size_t compressor_memory(int level, unsigned int least_match, size_t largest);
void compressor_close(struct compressor *compressor);

/* How large the output can be. */
size_t compressor_bound(size_t size);
/* One frame with content size and checksum. Returns its size, 0 on failure. */
size_t compressor_run(struct compressor *compressor, void *to, size_t room, const void *from, size_t size);

/* Memory with its pages in place, as a page fault can cost more than to fill the page; NULL when out of it.
 */
void *populated_memory(size_t size);

#endif
