/* Inside convert/: the extents of an image decoded by all processors, and taken in order. */
#ifndef FORMAT_CONVERT_DECODE_AHEAD_H
#define FORMAT_CONVERT_DECODE_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "format/image/reader.h"

struct ZSTD_DCtx_s;
struct decode_ahead;

/* Whether this is one standard frame with content size and checksum, no more and no less; it is decoded to
 * `to`, which has room for raw_size bytes. */
bool decode_frame(struct ZSTD_DCtx_s *decoder, void *to, size_t raw_size, const void *frame, size_t size)
        __attribute__((warn_unused_result));

/* The same for what is stored of an extent that is packed, of any codec; `to` has room for its raw_size. */
bool decode_extent(struct ZSTD_DCtx_s *decoder, const struct snapimg_extent *extent, void *to,
                   const void *stored) __attribute__((warn_unused_result));

/* How many threads beside the caller's are worth it. */
uint32_t decode_helpers(const struct snapimg *image);

/* Begins with the first extents. The image, whose page data are in memory, is borrowed. NULL: no memory.
 * Where no thread is to be had, decode_ahead_take() does all of it. */
struct decode_ahead *decode_ahead_begin(const struct snapimg *image);
/* The bytes of extent `index`, checked and decoded: each once, from 0 on. They last until the next one is
 * taken. */
enum snapimg_error decode_ahead_take(struct decode_ahead *ahead, uint32_t index, const uint8_t **ret_bytes)
        __attribute__((warn_unused_result));
/* No thread is left. Also for NULL. */
void decode_ahead_end(struct decode_ahead *ahead);

#endif
