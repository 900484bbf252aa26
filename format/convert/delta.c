#include "format/convert/delta.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "format/base/compressor.h"
#include "format/base/progress.h"
#include "format/facts/checksum.h"

/* The plain form is compressed in chunks, each with the same part of the base's, and some more on both sides,
 * as its prefix: what zstd can look back at is bounded. */
enum { CHUNK = 512 << 20, MARGIN = 64 << 20, WINDOW_LOG_MAX = 31 };
enum { MEBI = 1 << 20 };

static const char *const texts[DELTA_ERRORS] = {
        [DELTA_OK] = "nothing is wrong",
        [DELTA_NO_MEMORY] = "out of memory",
        [DELTA_SINK] = "cannot write",
        [DELTA_BASE_DATA] = "the base's page data are damaged",
        [DELTA_IMAGE_DATA] = "the image's page data are damaged",
        [DELTA_NOT_A_DELTA] = "not a delta",
        [DELTA_NEWER] = "a delta of a newer version",
        [DELTA_DAMAGED] = "the delta is damaged",
        [DELTA_OTHER_BASE] = "the delta is for another base",
        [DELTA_OTHER_ZSTD] =
                "the delta was made with another version of zstd, which packs pages in another way",
};

const char *delta_strerror(enum delta_error error)
{
	return texts[error];
}

/* Memory whose untouched pages cost nothing; sizes may come from a file. */
static uint8_t *reserve(uint64_t size)
{
	void *memory =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void give_back(uint8_t *memory, uint64_t size)
{
	if (memory != NULL)
		(void)munmap(memory, size);
}

/* The header area and the records come first, then the bytes of each extent: decoded, or where frames can't
 * be made again, as they are stored. */
struct plain {
	uint8_t *bytes;
	uint64_t size;
};

static uint64_t metadata_size(const struct snapimg *image)
{
	return image->header->image_size - image->header->metadata_offset;
}

static uint64_t size_in_plain(const struct snapimg_extent *extent, bool decoded)
{
	return decoded && extent->kind == SNAPIMG_EXTENT_ZSTD ? extent->raw_size : extent->stored_size;
}

static uint64_t plain_size(const struct snapimg *image, bool decoded)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	uint64_t size = SNAPIMG_HEADER_AREA + metadata_size(image);

	for (uint32_t i = 0; i < snapimg_extent_count(image); i++)
		size += size_in_plain(&extent[i], decoded);
	return size;
}

static bool put_extent(ZSTD_DCtx *decoder, const struct snapimg *image, const struct snapimg_extent *extent,
                       bool decoded, uint8_t *to)
{
	const uint8_t *stored = image->base + extent->offset;

	if (snapimg_check_extent(image, extent) != SNAPIMG_OK)
		return false;
	if (decoded && extent->kind == SNAPIMG_EXTENT_ZSTD)
		return ZSTD_decompressDCtx(decoder, to, extent->raw_size, stored, extent->stored_size) ==
		       extent->raw_size;
	memcpy(to, stored, extent->stored_size);
	return true;
}

static enum delta_error make_plain(const struct snapimg *image, bool decoded, enum delta_error damaged,
                                   struct plain *ret_plain)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	struct plain plain = {.size = plain_size(image, decoded)};
	ZSTD_DCtx *decoder = ZSTD_createDCtx();
	uint8_t *next = plain.bytes = reserve(plain.size);
	enum delta_error error = next != NULL && decoder != NULL ? DELTA_OK : DELTA_NO_MEMORY;

	if (error == DELTA_OK) {
		memcpy(next, image->base, SNAPIMG_HEADER_AREA);
		memcpy(next + SNAPIMG_HEADER_AREA, image->base + image->header->metadata_offset,
		       metadata_size(image));
		next += SNAPIMG_HEADER_AREA + metadata_size(image);
	}
	for (uint32_t i = 0; i < snapimg_extent_count(image) && error == DELTA_OK; i++) {
		if (!put_extent(decoder, image, &extent[i], decoded, next))
			error = damaged;
		next += size_in_plain(&extent[i], decoded);
	}
	(void)ZSTD_freeDCtx(decoder);
	if (error == DELTA_OK)
		*ret_plain = plain;
	else
		give_back(plain.bytes, plain.size);
	return error;
}

/* How the frames of an image are made again. */
struct packing {
	struct compressor_settings settings;
	uint32_t largest;
};

static bool makes_frame(struct compressor *compressor, uint8_t *room, const uint8_t *pages,
                        const struct snapimg_extent *extent)
{
	size_t size =
	        compressor_run(compressor, room, compressor_bound(extent->raw_size), pages, extent->raw_size);

	return size == extent->stored_size && snapimg_checksum(room, size) == extent->checksum;
}

/* Whether each frame of the image comes out of its pages in this way. */
static bool packs_alike(const struct snapimg *image, const struct plain *plain, const struct packing *packing)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	const uint8_t *next = plain->bytes + SNAPIMG_HEADER_AREA + metadata_size(image);
	uint8_t *room = malloc(compressor_bound(SNAPIMG_EXTENT_MAX));
	struct compressor compressor = {0};
	bool alike = room != NULL && compressor_open(&packing->settings, packing->largest, &compressor);

	for (uint32_t i = 0; i < snapimg_extent_count(image) && alike; i++) {
		if (extent[i].kind == SNAPIMG_EXTENT_ZSTD)
			alike = makes_frame(&compressor, room, next, &extent[i]);
		next += size_in_plain(&extent[i], true);
	}
	compressor_close(&compressor);
	free(room);
	return alike;
}

/* "zstd -N", as snaptrace wrote it. */
static int level_of(const struct snapimg *image)
{
	const char *codec = snapimg_string(image, snapimg_get_origin(image)->codec);

	return strncmp(codec, "zstd -", 6) == 0 ? (int)strtol(codec + 6, NULL, 10) : 0;
}

static bool find_packing(const struct snapimg *image, const struct plain *plain, struct packing *ret_packing)
{
	static const uint32_t largest[] = {64 * SNAPIMG_PAGE_SIZE, SNAPIMG_EXTENT_MAX, 32 * SNAPIMG_PAGE_SIZE,
	                                   128 * SNAPIMG_PAGE_SIZE};
	static const unsigned int least_match[] = {6, 0, 7};

	for (size_t i = 0; i < sizeof(largest) / sizeof(*largest); i++)
		for (size_t k = 0; k < sizeof(least_match) / sizeof(*least_match); k++) {
			const struct packing packing = {
			        {.level = level_of(image), .least_match = least_match[k]}, largest[i]};

			if (packs_alike(image, plain, &packing)) {
				*ret_packing = packing;
				return true;
			}
		}
	return false;
}

/* The base's part that chunk number `index` may look back at. */
static struct plain prefix_of(const struct plain *base, uint64_t index)
{
	uint64_t start = index * CHUNK, end = start + CHUNK + MARGIN;

	start = start < MARGIN ? 0 : start - MARGIN;
	start = start < base->size ? start : base->size;
	end = end < base->size ? end : base->size;
	return (struct plain){base->bytes + start, end - start};
}

static uint64_t chunk_size(uint64_t whole, uint64_t index)
{
	uint64_t rest = whole - index * CHUNK;

	return rest < CHUNK ? rest : CHUNK;
}

static int log_of(uint64_t size)
{
	int log = 20;

	while (log < WINDOW_LOG_MAX && UINT64_C(1) << log < size)
		log++;
	return log;
}

/* The smaller the image, the more is worth to be tried. */
static int effort(uint64_t size)
{
	return size <= 64 * (uint64_t)MEBI ? 19 : size <= 512 * (uint64_t)MEBI ? 12 : 6;
}

static bool set_up(ZSTD_CCtx *encoder, uint64_t size, int level, const struct plain *prefix)
{
	long workers = sysconf(_SC_NPROCESSORS_ONLN);
	const struct {
		ZSTD_cParameter parameter;
		int value;
		bool may_fail;
	} settings[] = {
	        {ZSTD_c_compressionLevel, level, false},
	        {ZSTD_c_windowLog, log_of(size + prefix->size), false},
	        {ZSTD_c_enableLongDistanceMatching, 1, false},
	        {ZSTD_c_checksumFlag, 1, false},
	        {ZSTD_c_contentSizeFlag, 1, false},
	        {ZSTD_c_nbWorkers, (int)(workers > 1 && size > 64 * (uint64_t)MEBI ? workers : 0), true},
	};

	(void)ZSTD_CCtx_reset(encoder, ZSTD_reset_session_and_parameters);
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		if (ZSTD_isError(ZSTD_CCtx_setParameter(encoder, settings[i].parameter, settings[i].value)) &&
		    !settings[i].may_fail)
			return false;
	return !ZSTD_isError(ZSTD_CCtx_refPrefix(encoder, prefix->bytes, prefix->size));
}

/* All chunks, one frame each; *ret_size 0: it could not be done. */
static uint8_t *encode(const struct plain *base, const struct plain *plain, uint64_t *ret_size,
                       uint64_t *ret_room)
{
	uint64_t chunks = (plain->size + CHUNK - 1) / CHUNK,
	         room = ZSTD_compressBound(plain->size) + chunks * 64;
	ZSTD_CCtx *encoder = ZSTD_createCCtx();
	uint8_t *bytes = reserve(room);
	uint64_t size = 0;
	bool done = encoder != NULL && bytes != NULL;

	for (uint64_t i = 0; i < chunks && done; i++) {
		const struct plain prefix = prefix_of(base, i);
		uint64_t part = chunk_size(plain->size, i);

		done = set_up(encoder, part, effort(plain->size), &prefix);
		size_t got = done ? ZSTD_compress2(encoder, bytes + size, room - size,
		                                   plain->bytes + i * CHUNK, part)
		                  : 0;
		done = done && !ZSTD_isError(got);
		size += done ? got : 0;
	}
	(void)ZSTD_freeCCtx(encoder);
	*ret_size = done ? size : 0;
	*ret_room = room;
	return bytes;
}

static uint64_t checksum_of(const struct snapimg_delta *header, const uint8_t *frames)
{
	struct snapimg_delta copy = *header;

	copy.checksum = snapimg_checksum(frames, header->stored_size);
	return snapimg_checksum(&copy, sizeof(copy));
}

static enum delta_error write_delta(const struct snapimg *base, const struct snapimg *image,
                                    const struct plain *base_plain, const struct plain *plain,
                                    const struct packing *packing, snapimg_sink *sink, void *context)
{
	struct snapimg_delta header = {
	        .major = SNAPIMG_DELTA_MAJOR,
	        .decoded = packing != NULL,
	        .image_size = image->header->image_size,
	        .plain_size = plain->size,
	};
	uint64_t room = 0;
	enum delta_error error = DELTA_OK;

	memcpy(header.magic, SNAPIMG_DELTA_MAGIC, sizeof(header.magic));
	memcpy(header.base, base->header->digest, sizeof(header.base));
	memcpy(header.digest, image->header->digest, sizeof(header.digest));
	if (packing != NULL) {
		header.level = packing->settings.level;
		header.least_match = packing->settings.least_match;
		header.largest = packing->largest;
	}
	uint8_t *frames = encode(base_plain, plain, &header.stored_size, &room);
	if (header.stored_size == 0)
		error = DELTA_NO_MEMORY;
	else
		header.checksum = checksum_of(&header, frames);
	if (error == DELTA_OK && (sink(context, 0, &header, sizeof(header)) != 0 ||
	                          sink(context, sizeof(header), frames, header.stored_size) != 0))
		error = DELTA_SINK;
	give_back(frames, room);
	return error;
}

enum delta_error delta_make(const struct snapimg *base, const struct snapimg *image, snapimg_sink *sink,
                            void *context)
{
	struct plain base_plain = {0}, plain = {0};
	struct packing packing;
	enum delta_error error;

	if ((error = make_plain(base, true, DELTA_BASE_DATA, &base_plain)) != DELTA_OK)
		return error;
	error = make_plain(image, true, DELTA_IMAGE_DATA, &plain);
	if (error == DELTA_OK) {
		bool decoded = find_packing(image, &plain, &packing);

		if (!decoded) { /* made by another zstd: its frames go as they are */
			give_back(plain.bytes, plain.size);
			plain = (struct plain){0};
			error = make_plain(image, false, DELTA_IMAGE_DATA, &plain);
		}
		if (error == DELTA_OK)
			error = write_delta(base, image, &base_plain, &plain, decoded ? &packing : NULL, sink,
			                    context);
	}
	give_back(plain.bytes, plain.size);
	give_back(base_plain.bytes, base_plain.size);
	return error;
}

static enum delta_error check_delta(const struct snapimg *base, const uint8_t *bytes, size_t size,
                                    struct snapimg_delta *ret_header)
{
	struct snapimg_delta header;

	if (size < sizeof(header) || memcmp(bytes, SNAPIMG_DELTA_MAGIC, SNAPIMG_MAGIC_SIZE) != 0)
		return DELTA_NOT_A_DELTA;
	memcpy(&header, bytes, sizeof(header));
	if (header.major > SNAPIMG_DELTA_MAJOR)
		return DELTA_NEWER;
	if (header.major == 0 || header.stored_size != size - sizeof(header) ||
	    checksum_of(&header, bytes + sizeof(header)) != header.checksum || header.decoded > 1 ||
	    header.reserved_zero != 0 || header.plain_size < SNAPIMG_HEADER_AREA ||
	    header.largest > SNAPIMG_EXTENT_MAX)
		return DELTA_DAMAGED;
	if (memcmp(header.base, base->header->digest, sizeof(header.base)) != 0)
		return DELTA_OTHER_BASE;
	*ret_header = header;
	return DELTA_OK;
}

static enum delta_error decode(const struct plain *base, const struct snapimg_delta *header,
                               const uint8_t *frames, struct plain *ret_plain)
{
	struct plain plain = {.size = header->plain_size};
	uint64_t chunks = (plain.size + CHUNK - 1) / CHUNK, at = 0;
	ZSTD_DCtx *decoder = ZSTD_createDCtx();
	enum delta_error error = DELTA_OK;

	plain.bytes = reserve(plain.size);
	if (plain.bytes == NULL || decoder == NULL ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(decoder, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		error = DELTA_NO_MEMORY;
	for (uint64_t i = 0; i < chunks && error == DELTA_OK; i++) {
		const struct plain prefix = prefix_of(base, i);
		uint64_t part = chunk_size(plain.size, i);
		size_t frame = ZSTD_findFrameCompressedSize(frames + at, header->stored_size - at);

		if (ZSTD_isError(frame) ||
		    ZSTD_isError(ZSTD_DCtx_refPrefix(decoder, prefix.bytes, prefix.size)) ||
		    ZSTD_decompressDCtx(decoder, plain.bytes + i * CHUNK, part, frames + at, frame) != part)
			error = DELTA_DAMAGED;
		at += ZSTD_isError(frame) ? 0 : frame;
	}
	if (error == DELTA_OK && at != header->stored_size)
		error = DELTA_DAMAGED;
	(void)ZSTD_freeDCtx(decoder);
	if (error == DELTA_OK)
		*ret_plain = plain;
	else
		give_back(plain.bytes, plain.size);
	return error;
}

/* The records in their place, and zeros where the page data will be. */
static enum delta_error open_records(const struct snapimg_delta *header, const struct plain *plain,
                                     uint8_t *memory, struct snapimg *ret_image)
{
	struct snapimg_header area;
	uint64_t size;

	memcpy(&area, plain->bytes, sizeof(area));
	if (area.image_size != header->image_size || area.metadata_offset < SNAPIMG_HEADER_AREA ||
	    area.metadata_offset > area.image_size)
		return DELTA_DAMAGED;
	size = area.image_size - area.metadata_offset;
	if (size > plain->size - SNAPIMG_HEADER_AREA)
		return DELTA_DAMAGED;
	memcpy(memory, plain->bytes, SNAPIMG_HEADER_AREA);
	memcpy(memory + area.metadata_offset, plain->bytes + SNAPIMG_HEADER_AREA, size);
	if (snapimg_open(memory, header->image_size, ret_image) != SNAPIMG_OK ||
	    memcmp(ret_image->header->digest, header->digest, SNAPIMG_DIGEST_SIZE) != 0 ||
	    plain_size(ret_image, header->decoded) != plain->size)
		return DELTA_DAMAGED;
	return DELTA_OK;
}

static enum delta_error fill_extents(const struct snapimg_delta *header, const struct snapimg *image,
                                     const struct plain *plain, uint8_t *memory)
{
	const struct compressor_settings settings = {.level = header->level,
	                                             .least_match = header->least_match};
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	const uint8_t *next = plain->bytes + SNAPIMG_HEADER_AREA + metadata_size(image);
	uint8_t *room = malloc(compressor_bound(SNAPIMG_EXTENT_MAX));
	struct compressor compressor = {0};
	struct progress progress = progress_begin(progress_is_shown(), snapimg_extent_count(image));
	enum delta_error error = room != NULL ? DELTA_OK : DELTA_NO_MEMORY;

	if (error == DELTA_OK && header->decoded && !compressor_open(&settings, header->largest, &compressor))
		error = DELTA_OTHER_ZSTD;
	for (uint32_t i = 0; i < snapimg_extent_count(image) && error == DELTA_OK; i++) {
		progress_update(&progress, i);
		bool packs = header->decoded && extent[i].kind == SNAPIMG_EXTENT_ZSTD;

		if (packs && !makes_frame(&compressor, room, next, &extent[i]))
			error = DELTA_OTHER_ZSTD;
		else
			memcpy(memory + extent[i].offset, packs ? room : next, extent[i].stored_size);
		next += size_in_plain(&extent[i], header->decoded);
		if (error == DELTA_OK && snapimg_check_extent(image, &extent[i]) != SNAPIMG_OK)
			error = DELTA_DAMAGED;
	}
	progress_end(&progress);
	compressor_close(&compressor);
	free(room);
	return error;
}

static enum delta_error rebuild(const struct snapimg_delta *header, const struct plain *plain,
                                snapimg_sink *sink, void *context)
{
	uint8_t *memory = header->image_size > SNAPIMG_HEADER_AREA ? reserve(header->image_size) : NULL;
	struct snapimg image;
	enum delta_error error = memory == NULL ? DELTA_NO_MEMORY : DELTA_OK;

	if (error == DELTA_OK)
		error = open_records(header, plain, memory, &image);
	if (error == DELTA_OK)
		error = fill_extents(header, &image, plain, memory);
	for (uint64_t at = 0; at < header->image_size && error == DELTA_OK; at += MEBI) {
		uint64_t rest = header->image_size - at;

		if (sink(context, at, memory + at, rest < MEBI ? rest : MEBI) != 0)
			error = DELTA_SINK;
	}
	give_back(memory, header->image_size);
	return error;
}

enum delta_error delta_apply(const struct snapimg *base, const uint8_t *delta, size_t size,
                             snapimg_sink *sink, void *context)
{
	struct plain base_plain = {0}, plain = {0};
	struct snapimg_delta header;
	enum delta_error error = check_delta(base, delta, size, &header);

	if (error == DELTA_OK)
		error = make_plain(base, true, DELTA_BASE_DATA, &base_plain);
	if (error == DELTA_OK)
		error = decode(&base_plain, &header, delta + sizeof(header), &plain);
	if (error == DELTA_OK)
		error = rebuild(&header, &plain, sink, context);
	give_back(plain.bytes, plain.size);
	give_back(base_plain.bytes, base_plain.size);
	return error;
}
