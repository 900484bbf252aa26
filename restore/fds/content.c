/* The bytes that are in objects. */
#include <asm/errno.h>
#include <linux/mman.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/build/decoder.h"
#include "restore/fds/objects.h"
#include "restore/zone.h"

static struct {
	struct decoder *decoder; /* NULL until the first frame */
	uint8_t *block;
} state;

static void start_decoder(void)
{
	uint64_t size = page_ceil(decoder_size());
	long memory = sys(__NR_mmap, ZONE_CONTENTS, size + SNAPIMG_EXTENT_MAX, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
	if (memory != (long)ZONE_CONTENTS)
		die(EXIT_REFUSED, "no memory for the descriptors' contents: ", error_text(memory));
	state.block = (uint8_t *)ZONE_CONTENTS + size;
	state.decoder = decoder_init((void *)ZONE_CONTENTS, size);
	if (state.decoder == NULL)
		die(EXIT_REFUSED, "the zstd decoder does not start");
}

const uint8_t *content_try(const struct snapimg_content *content)
{
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	bytes += content->offset;
	if (content->stored_size == 0)
		return bytes;
	if (state.decoder == NULL)
		start_decoder();
	return decoder_decode(SNAPIMG_EXTENT_ZSTD, state.decoder, state.block, content->size, bytes,
	                      content->stored_size)
	               ? state.block
	               : NULL;
}

const uint8_t *content_bytes(const struct snapimg_content *content)
{
	const uint8_t *bytes = content_try(content);
	if (bytes == NULL)
		object_die(content->object, "decode", -EIO);
	return bytes;
}
