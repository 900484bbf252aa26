#include "format/convert/decode_ahead.h"

#include <lz4.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <zstd.h>

#include "format/base/large.h"
#include "format/convert/by_all.h"

enum {
	FRAME_DESCRIPTOR = 4,
	FRAME_HAS_CHECKSUM = 1 << 2, /* RFC 8878, 3.1.1.1.1 */
	AHEAD_EACH = 4,              /* extents for each thread */
	WORTH_A_THREAD = 1 << 20,    /* bytes */
};

struct slot {
	const uint8_t *result;
	enum snapimg_error error;
	bool is_done;
};

/* Extent i is in slot i % slot_count, from when somebody begins with it until the next one is taken. */
struct decode_ahead {
	const struct snapimg *image;
	uint32_t extent_count;
	pthread_mutex_t lock;
	pthread_cond_t done, room;
	uint32_t next;  /* that nobody has begun with */
	uint32_t first; /* that may be needed still */
	bool ends;
	uint32_t slot_count;
	struct slot *slot;
	uint8_t *bytes; /* of slot_count times slot_size, which the largest frame has decoded */
	size_t slot_size;
	ZSTD_DCtx *decoder; /* of who takes */
	uint32_t helper_count;
	pthread_t helper[BY_ALL_HELPERS_MAX];
};

bool decode_frame(ZSTD_DCtx *decoder, void *to, size_t raw_size, const void *frame, size_t size)
{
	return ZSTD_getFrameContentSize(frame, size) == raw_size &&
	       ZSTD_findFrameCompressedSize(frame, size) == size &&
	       (((const uint8_t *)frame)[FRAME_DESCRIPTOR] & FRAME_HAS_CHECKSUM) != 0 &&
	       ZSTD_decompressDCtx(decoder, to, raw_size, frame, size) == raw_size;
}

bool decode_extent(ZSTD_DCtx *decoder, const struct snapimg_extent *extent, void *to, const void *stored)
{
	return extent->kind == SNAPIMG_EXTENT_LZ4
	               ? LZ4_decompress_safe(stored, to, (int)extent->stored_size, (int)extent->raw_size) ==
	                         (int)extent->raw_size
	               : decode_frame(decoder, to, extent->raw_size, stored, extent->stored_size);
}

static void decode(const struct decode_ahead *ahead, ZSTD_DCtx *decoder, uint32_t index, struct slot *slot)
{
	const struct snapimg_extent *extent = snapimg_get_extent(ahead->image) + index;
	const uint8_t *stored = ahead->image->base + extent->offset;

	uint8_t *to = ahead->bytes + index % ahead->slot_count * ahead->slot_size;

	slot->error = snapimg_check_extent(ahead->image, extent);
	slot->result = stored;
	if (slot->error != SNAPIMG_OK || !snapimg_extent_is_packed(extent))
		return;
	slot->result = to;
	if (!decode_extent(decoder, extent, to, stored))
		slot->error = SNAPIMG_ERR_EXTENT_FRAME;
}

static bool has_work(const struct decode_ahead *ahead)
{
	return ahead->next < ahead->extent_count && ahead->next < ahead->first + ahead->slot_count;
}

/* With the lock, which is let go meanwhile; where there is work. */
static void decode_next(struct decode_ahead *ahead, ZSTD_DCtx *decoder)
{
	uint32_t index = ahead->next++;
	struct slot *slot = &ahead->slot[index % ahead->slot_count];

	slot->is_done = false;
	pthread_mutex_unlock(&ahead->lock);
	decode(ahead, decoder, index, slot);
	pthread_mutex_lock(&ahead->lock);
	slot->is_done = true;
	pthread_cond_signal(&ahead->done);
}

static void *help(void *context)
{
	struct decode_ahead *ahead = context;
	ZSTD_DCtx *decoder = ZSTD_createDCtx();

	pthread_mutex_lock(&ahead->lock);
	while (!ahead->ends && ahead->next < ahead->extent_count && decoder != NULL)
		if (has_work(ahead))
			decode_next(ahead, decoder);
		else
			pthread_cond_wait(&ahead->room, &ahead->lock);
	pthread_mutex_unlock(&ahead->lock);
	(void)ZSTD_freeDCtx(decoder);
	return NULL;
}

static size_t largest_frame(const struct snapimg *image)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	size_t largest = SNAPIMG_PAGE_SIZE;

	for (uint32_t i = 0; i < snapimg_extent_count(image); i++)
		if (snapimg_extent_is_packed(&extent[i]) && extent[i].raw_size > largest)
			largest = extent[i].raw_size;
	return largest;
}

uint32_t decode_helpers(const struct snapimg *image)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < snapimg_extent_count(image); i++)
		bytes += snapimg_extent_is_packed(&extent[i]) ? extent[i].raw_size : 0;
	return by_all_helpers(bytes, WORTH_A_THREAD);
}

/* They take no signals, which are for the thread that knows what to clean up. */
static void start_helpers(struct decode_ahead *ahead, uint32_t wanted)
{
	sigset_t all, before;

	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
		return;
	while (ahead->helper_count < wanted &&
	       pthread_create(&ahead->helper[ahead->helper_count], NULL, help, ahead) == 0)
		ahead->helper_count++;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct decode_ahead *decode_ahead_begin(const struct snapimg *image)
{
	struct decode_ahead *ahead = calloc(1, sizeof(*ahead));
	uint32_t helpers = decode_helpers(image);

	if (ahead == NULL)
		return NULL;
	ahead->image = image;
	ahead->extent_count = snapimg_extent_count(image);
	ahead->slot_count = AHEAD_EACH * (helpers + 1);
	ahead->slot = calloc(ahead->slot_count, sizeof(*ahead->slot));
	ahead->slot_size = largest_frame(image);
	ahead->bytes = large_new(ahead->slot_count * ahead->slot_size);
	ahead->decoder = ZSTD_createDCtx();
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->done, NULL);
	pthread_cond_init(&ahead->room, NULL);
	if (ahead->slot == NULL || ahead->bytes == NULL || ahead->decoder == NULL) {
		decode_ahead_end(ahead);
		return NULL;
	}
	start_helpers(ahead, helpers);
	return ahead;
}

enum snapimg_error decode_ahead_take(struct decode_ahead *ahead, uint32_t index, const uint8_t **ret_bytes)
{
	struct slot *slot = &ahead->slot[index % ahead->slot_count];

	pthread_mutex_lock(&ahead->lock);
	ahead->first = index;
	pthread_cond_broadcast(&ahead->room);
	while (ahead->next <= index || !slot->is_done)
		if (has_work(ahead))
			decode_next(ahead, ahead->decoder); /* rather than wait */
		else
			pthread_cond_wait(&ahead->done, &ahead->lock);
	pthread_mutex_unlock(&ahead->lock);
	*ret_bytes = slot->result;
	return slot->error;
}

void decode_ahead_end(struct decode_ahead *ahead)
{
	if (ahead == NULL)
		return;
	pthread_mutex_lock(&ahead->lock);
	ahead->ends = true;
	pthread_cond_broadcast(&ahead->room);
	pthread_mutex_unlock(&ahead->lock);
	for (uint32_t i = 0; i < ahead->helper_count; i++)
		pthread_join(ahead->helper[i], NULL);
	large_free(ahead->bytes, ahead->slot_count * ahead->slot_size);
	free(ahead->slot);
	(void)ZSTD_freeDCtx(ahead->decoder);
	pthread_mutex_destroy(&ahead->lock);
	pthread_cond_destroy(&ahead->done);
	pthread_cond_destroy(&ahead->room);
	free(ahead);
}
