/* The decoders of page data, in a workspace of the caller's, for one thread. */
#ifndef RESTORE_BUILD_DECODER_H
#define RESTORE_BUILD_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct decoder; /* lies at the start of the workspace */

/* Bytes of workspace a decoder needs. */
size_t decoder_size(void);
/* workspace: 64-aligned. NULL when it is too small. */
struct decoder *decoder_init(void *workspace, size_t size);
/* Decodes one frame, or the block of an LZ4 extent, for which there may be no decoder; it must give exactly
 * `size` bytes. */
bool decoder_decode(uint32_t kind, struct decoder *decoder, void *to, size_t size, const void *from,
                    size_t stored);

#endif
