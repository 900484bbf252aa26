/* zstd's decoder in a workspace of the caller's, for one thread. */
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
/* Decodes one frame that must give exactly `size` bytes. */
bool decoder_decode(struct decoder *decoder, void *to, size_t size, const void *from, size_t stored);

#endif
