/*
 * The page data of an image go from its file into a new one by all processors, an extent at a time: read,
 * checked, decoded and written by the same thread, in buffers that stay in its processor's cache. Where each
 * page lies was settled before (repack.c), so nobody waits for another. A Python's 12 MiB take two thirds of
 * the time that it takes to decode ahead of one who writes.
 */
#include "format/convert/decode_into.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "format/convert/by_all.h"
#include "format/convert/decode_ahead.h"
#include "format/facts/checksum.h"
#include "format/image/writer.h"

struct decoding {
	const struct decode_into *way;
	struct placed_extents *placed;
	size_t *first; /* of what is placed, by old extent; one more at the end */
	size_t stored_room, raw_room, whole_room;
	uint32_t next; /* old extent that nobody has taken */
	pthread_mutex_t lock;
	enum snapimg_error error; /* with what follows under the lock: of the first that failed */
	uint32_t failed_index;
	int number;
};

struct decoder {
	struct decoding *decoding;
	ZSTD_DCtx *context;
	uint8_t *stored, *raw;
	uint8_t *whole; /* an extent with the zeros between its runs */
};

void placed_extents_free(struct placed_extents *placed)
{
	free(placed->extent);
	free(placed->run);
	*placed = (struct placed_extents){0};
}

/* Nobody takes another extent. */
static void fail(struct decoding *decoding, uint32_t index, enum snapimg_error error, int number)
{
	pthread_mutex_lock(&decoding->lock);
	if (decoding->error == SNAPIMG_OK || index < decoding->failed_index) {
		decoding->error = error;
		decoding->failed_index = index;
		decoding->number = number;
	}
	pthread_mutex_unlock(&decoding->lock);
	__atomic_store_n(&decoding->next, UINT32_MAX / 2, __ATOMIC_RELAXED);
}

/* Returns 0 or an errno. */
static int write_all(int to, const uint8_t *bytes, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t put = pwrite(to, bytes, size, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? errno : EIO;
		bytes += put;
		size -= (size_t)put;
		offset += (uint64_t)put;
	}
	return 0;
}

/* As it lies in the new file: with the pages that are zero, or in no run, between the others. */
static const uint8_t *assemble(const struct decoder *decoder, const struct placed_extent *placed,
                               const uint8_t *raw)
{
	const struct snapimg_run *run = decoder->decoding->placed->run + placed->run_first;

	if (placed->raw_size == placed->stored_size)
		return raw;
	memset(decoder->whole, 0, placed->stored_size);
	for (uint32_t i = 0; i < placed->run_count; i++) {
		size_t size = (size_t)run[i].pages * SNAPIMG_PAGE_SIZE;

		if (run[i].kind != SNAPIMG_RUN_DATA)
			continue;
		memcpy(decoder->whole + (run[i].address - run[0].address), raw, size);
		raw += size;
	}
	return decoder->whole;
}

/* The pages of the runs, and the zeros between those that are near each other: the others stay a hole. */
static int write_stretches(const struct decoder *decoder, const struct placed_extent *placed,
                           const uint8_t *bytes)
{
	const struct snapimg_run *run = decoder->decoding->placed->run + placed->run_first;
	struct snapimg_stretch stretch = {0};
	int number = 0;

	if (placed->raw_size == placed->stored_size)
		return write_all(decoder->decoding->way->to, bytes, placed->stored_size, placed->offset);
	while (number == 0 && snapimg_stretch_next(run, placed->run_count, &stretch))
		number = write_all(decoder->decoding->way->to, bytes + stretch.start,
		                   stretch.end - stretch.start, placed->offset + stretch.start);
	return number;
}

static int place(const struct decoder *decoder, uint32_t index, const uint8_t *raw)
{
	const struct decoding *decoding = decoder->decoding;
	int number = 0;

	for (size_t i = decoding->first[index]; i < decoding->first[index + 1] && number == 0; i++) {
		struct placed_extent *placed = &decoding->placed->extent[i];

		if (placed->kind == SNAPIMG_EXTENT_ZERO)
			continue;
		const uint8_t *bytes = assemble(decoder, placed, raw);
		placed->checksum = snapimg_checksum(bytes, placed->stored_size);
		number = write_stretches(decoder, placed, bytes);
		raw += placed->raw_size;
	}
	return number;
}

static void decode(const struct decoder *decoder, uint32_t index)
{
	struct decoding *decoding = decoder->decoding;
	struct image_file *file = decoding->way->from;
	const struct snapimg_extent *extent = snapimg_get_extent(&file->image) + index;
	const uint8_t *stored = image_file_read(file, extent->offset, extent->stored_size, decoder->stored);
	const uint8_t *raw = stored;
	enum snapimg_error error =
	        stored == NULL ? SNAPIMG_ERR_TRUNCATED : snapimg_check_stored(extent, stored);

	if (error == SNAPIMG_OK && snapimg_extent_is_packed(extent)) {
		raw = decoder->raw;
		error = decode_extent(decoder->context, extent, decoder->raw, stored)
		                ? SNAPIMG_OK
		                : SNAPIMG_ERR_EXTENT_FRAME;
	}
	int number = error == SNAPIMG_OK ? place(decoder, index, raw) : 0;
	if (error != SNAPIMG_OK || number != 0)
		fail(decoding, index, error != SNAPIMG_OK ? error : SNAPIMG_ERR_SINK, number);
}

static void *work(void *context)
{
	struct decoding *decoding = context;
	uint32_t count = snapimg_extent_count(&decoding->way->from->image), index;
	struct decoder decoder = {
	        .decoding = decoding,
	        .context = ZSTD_createDCtx(),
	        .stored = malloc(decoding->stored_room + 1),
	        .raw = malloc(decoding->raw_room + 1),
	        .whole = malloc(decoding->whole_room + 1),
	};

	if (decoder.context == NULL || decoder.stored == NULL || decoder.raw == NULL || decoder.whole == NULL)
		fail(decoding, 0, SNAPIMG_ERR_MEMORY, 0);
	while ((index = __atomic_fetch_add(&decoding->next, 1, __ATOMIC_RELAXED)) < count)
		decode(&decoder, index);
	(void)ZSTD_freeDCtx(decoder.context);
	free(decoder.stored);
	free(decoder.raw);
	free(decoder.whole);
	return NULL;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* What is placed of each old extent, and the rooms. */
static bool measure(struct decoding *decoding)
{
	const struct snapimg *image = &decoding->way->from->image;
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	const struct placed_extents *placed = decoding->placed;
	uint32_t count = snapimg_extent_count(image);
	size_t next = 0;

	decoding->first = calloc((size_t)count + 1, sizeof(*decoding->first));
	if (decoding->first == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		decoding->stored_room = larger(decoding->stored_room, extent[i].stored_size);
		decoding->raw_room = larger(decoding->raw_room, extent[i].raw_size);
		decoding->first[i] = next;
		for (; next < placed->count && placed->extent[next].from == i; next++)
			decoding->whole_room = larger(decoding->whole_room, placed->extent[next].stored_size);
	}
	decoding->first[count] = next;
	return true;
}

enum snapimg_error decode_into(const struct decode_into *way, struct placed_extents *placed, int *ret_number)
{
	struct decoding decoding = {.way = way, .placed = placed};

	if (!measure(&decoding))
		return SNAPIMG_ERR_MEMORY;
	pthread_mutex_init(&decoding.lock, NULL);
	by_all(work, &decoding, decode_helpers(&way->from->image));
	pthread_mutex_destroy(&decoding.lock);
	free(decoding.first);
	*ret_number = decoding.number;
	if (decoding.error != SNAPIMG_OK) {
		way->from->image.failed_section = SNAPIMG_SECTION_EXTENTS;
		way->from->image.failed_index = decoding.failed_index;
	}
	return decoding.error;
}
