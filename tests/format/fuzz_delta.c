/*
 * Fuzzes `snapimg patch`: a delta for the synthetic image. An input is taken
 * twice: as the delta that it is, made right as far as its checksum and its base
 * go; and as a header with the plain form after it, which is packed here, so
 * that what zstd lets through needs not be guessed. Seeds: make_seeds.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "format/convert/delta.h"
#include "format/facts/checksum.h"
#include "synthetic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct memory_image base_bytes;
static struct snapimg base;

static int sink(void *context, uint64_t offset, const void *bytes, size_t size)
{
	volatile uint64_t *sum = context;

	if (size > 0)
		*sum += offset + ((const uint8_t *)bytes)[size - 1];
	return 0;
}

/* As a delta for this base. */
static void apply(uint8_t *delta, size_t size)
{
	struct snapimg_delta header;
	volatile uint64_t sum = 0;

	if (size >= sizeof(header)) {
		memcpy(&header, delta, sizeof(header));
		memcpy(header.magic, SNAPIMG_DELTA_MAGIC, sizeof(header.magic));
		memcpy(header.base, base.header->digest, sizeof(header.base));
		header.stored_size = size - sizeof(header);
		header.checksum = snapimg_checksum(delta + sizeof(header), header.stored_size);
		header.checksum = snapimg_checksum(&header, sizeof(header));
		memcpy(delta, &header, sizeof(header));
	}
	if (delta_apply(&base, delta, size, sink, (void *)(uintptr_t)&sum) == DELTA_NOT_A_DELTA &&
	    size >= sizeof(header))
		abort();
}

/* In a block of its own, so that the sanitizer sees a read past the end. */
static void apply_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);

	if (copy == NULL)
		return;
	if (size > 0)
		memcpy(copy, data, size);
	apply(copy, size);
	free(copy);
}

/* The records of a plain form follow its header area: what lies there is judged as an image without page
 * data, whose checksums are made right. */
static void repair_plain(uint8_t *plain, size_t size, struct snapimg_delta *header)
{
	struct snapimg_header *area = (struct snapimg_header *)(void *)plain;

	if (size < SNAPIMG_HEADER_AREA)
		return;
	/* Only with DATA left out are the places of sections those in the plain form. */
	uint64_t shift = area->metadata_offset - SNAPIMG_HEADER_AREA, table = area->section_table_offset;
	uint64_t rows = area->section_count * sizeof(struct snapimg_section);

	if (table < shift || table - shift > size || rows > size - (table - shift))
		return;
	for (uint32_t i = 0; i < area->section_count; i++) {
		struct snapimg_section row;
		uint8_t *place = plain + (table - shift) + i * sizeof(row);

		memcpy(&row, place, sizeof(row));
		uint64_t padded = snapimg_align(row.size, SNAPIMG_ALIGNMENT), at = row.offset - shift;

		if (row.type == SNAPIMG_SECTION_DATA || padded < row.size || at > size || padded > size - at)
			continue;
		row.checksum = snapimg_checksum(plain + at, padded);
		memcpy(place, &row, sizeof(row));
	}
	snapimg_digest(plain, plain + (table - shift), rows, area->digest);
	memcpy(header->digest, area->digest, sizeof(header->digest));
}

static void apply_plain(const uint8_t *data, size_t size)
{
	struct snapimg_delta header;

	if (size <= sizeof(header))
		return;
	size_t plain_size = size - sizeof(header), room = ZSTD_compressBound(plain_size);
	uint8_t *plain = aligned_alloc(SNAPIMG_ALIGNMENT, snapimg_align(plain_size, SNAPIMG_ALIGNMENT));
	uint8_t *delta = malloc(sizeof(header) + room);

	if (plain != NULL && delta != NULL) {
		memcpy(&header, data, sizeof(header));
		memcpy(plain, data + sizeof(header), plain_size);
		header.major = 1;
		header.plain_size = plain_size;
		repair_plain(plain, plain_size, &header);
		size_t packed = ZSTD_compress(delta + sizeof(header), room, plain, plain_size, 1);

		memcpy(delta, &header, sizeof(header));
		if (!ZSTD_isError(packed))
			apply(delta, sizeof(header) + packed);
	}
	free(delta);
	free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (base.base == NULL && (synthetic_image(&base_bytes, NULL) != SNAPIMG_OK ||
	                          snapimg_open(base_bytes.bytes, base_bytes.size, &base) != SNAPIMG_OK))
		abort();
	apply_copy(data, size);
	apply_plain(data, size);
	return 0;
}
