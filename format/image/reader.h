/*
 * Validates an image and gives its records, over memory that holds the whole
 * file: no allocation, no I/O, no libc. Compiled hosted (tools, sanitizers,
 * fuzzing) and freestanding (the loader).
 *
 * An image is untrusted until snapimg_open returned SNAPIMG_OK. After that
 * every offset, index and string reference in every record is in range, every
 * section but DATA has a right checksum, mappings and runs are sorted, disjoint
 * and page-aligned, and extents tile DATA; only the page data itself is still
 * unproven (snapimg_check_extent).
 */
#ifndef FORMAT_IMAGE_READER_H
#define FORMAT_IMAGE_READER_H

#include <stdbool.h>

#include "format/image/error.h"
#include "format/image/layout.h"

struct snapimg {
	const uint8_t *base;
	uint64_t size;
	const struct snapimg_header *header;
	/* By section type; bytes NULL and count 0 where the image has none. */
	struct snapimg_view {
		const void *bytes;
		uint64_t size;
		uint32_t count; /* records; for byte sections the size, for DATA 0 */
	} section[SNAPIMG_SECTION_LIMIT];
	bool vdso_is_unread; /* see snapimg_open_without_vdso */
	/* Where the check failed, for the message: */
	uint32_t failed_section; /* a section type, or 0 */
	uint64_t failed_index;   /* a record's index, or for FEATURE the bit's number */
};

/* Checks what the header says by itself, and that it fits a file of `size` bytes: magic, version, sizes and
 * places. Of the file only the header area must be at `base` (or all of a smaller one). What snapimg_open
 * looks at besides begins at snapimg_records_start. */
enum snapimg_error snapimg_check_header(const void *base, uint64_t size, struct snapimg *image)
        __attribute__((warn_unused_result));

/* From here to the file's end: the zeros after DATA, and the records. After snapimg_check_header. */
static inline uint64_t snapimg_records_start(const struct snapimg *image)
{
	uint64_t start = image->header->metadata_offset - SNAPIMG_ALIGNMENT;

	return start < SNAPIMG_HEADER_AREA ? SNAPIMG_HEADER_AREA : start;
}

/* Checks [base, base + size), which must be 64-byte aligned, and fills *image, which borrows the
 * memory. On an error *image holds failed_section and failed_index only. Reads all bytes but those of
 * DATA. */
enum snapimg_error snapimg_open(const void *base, uint64_t size, struct snapimg *image)
        __attribute__((warn_unused_result));

/* Where the bytes of VDSO, the first of the records, end; 0: the image has none, or not there. After
 * snapimg_check_header; of the records the section table must be at `base`, too. */
uint64_t snapimg_vdso_end(const struct snapimg *image);
/* The same as snapimg_open, when the bytes of VDSO are not there: few starts need them. */
enum snapimg_error snapimg_open_without_vdso(const void *base, uint64_t size, struct snapimg *image)
        __attribute__((warn_unused_result));
/* When they are: whether they are right. */
enum snapimg_error snapimg_check_vdso(struct snapimg *image) __attribute__((warn_unused_result));

/* The image of another process of a tree, which is in that of the first, with its page data. */
struct snapimg_member;
enum snapimg_error snapimg_open_member(const struct snapimg *image, const struct snapimg_member *member,
                                       struct snapimg *ret_image) __attribute__((warn_unused_result));

/* The string at an offset the reader has checked. */
const char *snapimg_string(const struct snapimg *image, uint32_t offset);

/* Compares the stored bytes of one of the image's extents with its checksum, and sees that the gap before it
 * (RAW begins at a page, MAPPED at a later one) and the gaps in it (MAPPED) are zero. */
enum snapimg_error snapimg_check_extent(const struct snapimg *image, const struct snapimg_extent *extent)
        __attribute__((warn_unused_result));

/* The same for stored bytes that the caller has read for itself. */
enum snapimg_error snapimg_check_stored(const struct snapimg_extent *extent, const void *stored)
        __attribute__((warn_unused_result));

/* The first address past a run. */
static inline uint64_t snapimg_run_end(const struct snapimg_run *run)
{
	return run->address + (uint64_t)run->pages * SNAPIMG_PAGE_SIZE;
}

/* Where the page data and the images of a tree's other processes end. */
uint64_t snapimg_data_end(const struct snapimg *image);

/* The value, or the next multiple of the alignment, which is a power of two. */
static inline uint64_t snapimg_align(uint64_t value, uint64_t alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

/* The digest of a header area and the section table after the image; the digest field itself counts as zero.
 */
void snapimg_digest(const void *header_area, const void *table, size_t table_size,
                    uint8_t digest[SNAPIMG_DIGEST_SIZE]);

/* A section's text for messages ("mappings"); "?" for an unknown type. */
const char *snapimg_section_name(uint32_t type);
/* The words of a number in layout.h's lists; "?" where it is in none. */
const char *snapimg_feature_name(uint32_t bit);
const char *snapimg_descriptor_name(uint32_t kind);
const char *snapimg_object_name(uint32_t kind);
const char *snapimg_attribute_name(uint32_t kind);
const char *snapimg_kept_name(uint32_t kind);
const char *snapimg_input_name(uint32_t kind);
const char *snapimg_ipc_name(uint32_t kind);

/* The index of the first mapping that ends past the address, or the number of mappings. They are sorted by
 * then. */
uint32_t snapimg_mapping_after(const struct snapimg *image, uint64_t address);

/* The first address past them. */
static inline uint64_t snapimg_inherited_end(const struct snapimg_inherited *inherited)
{
	return inherited->address + (uint64_t)inherited->pages * SNAPIMG_PAGE_SIZE;
}

/* The index of the first of INHERITED that ends past the address, or their number. */
uint32_t snapimg_inherited_after(const struct snapimg *image, uint64_t address);

/* Its stored bytes are to be decoded. */
static inline bool snapimg_extent_is_packed(const struct snapimg_extent *extent)
{
	return extent->kind == SNAPIMG_EXTENT_ZSTD || extent->kind == SNAPIMG_EXTENT_LZ4;
}

/* snapimg_get_mapping(image) and so on: the first of snapimg_mapping_count(image) records; NULL when there
 * are none. */
/* clang-format off */
#define SNAPIMG_RECORDS(X)                                                                                   \
	X(origin, ORIGIN) X(machine, MACHINE) X(process, PROCESS) X(thread, THREADS) X(file, FILES)          \
	X(mapping, MAPPINGS) X(extent, EXTENTS) X(run, RUNS) X(descriptor, DESCRIPTORS)                      \
	X(sigaction, SIGNALS) X(auxv, AUXV) X(fixup, FIXUPS) X(pending, PENDING) X(place, PLACES)            \
	X(object, OBJECTS) X(setting, SETTINGS) X(content, CONTENTS) X(watch, WATCHES) X(lock, LOCKS)        \
	X(attribute, ATTRIBUTES) X(timer, TIMERS) X(guard, GUARDS) X(inotify, INOTIFY) X(owner, OWNERS)       \
	X(piece, PIECES) X(hot, HOT) X(source, SOURCE) X(shim, SHIM)        \
	X(identity, IDENTITIES) X(kept, KEPT) X(clocks, CLOCKS) X(processor, PROCESSOR) X(signature, SIGNATURE) \
	X(root, ROOT) X(unsynced, UNSYNCED) X(input, INPUTS) X(member, TREE) X(ipc, IPC) X(passed, PASSED) \
	X(inherited, INHERITED) X(edge, EDGES)
/* clang-format on */
#define X(record, SECTION)                                                                                   \
	static inline const struct snapimg_##record *snapimg_get_##record(const struct snapimg *image)       \
	{                                                                                                    \
		return (const struct snapimg_##record *)image->section[SNAPIMG_SECTION_##SECTION].bytes;     \
	}                                                                                                    \
	static inline uint32_t snapimg_##record##_count(const struct snapimg *image)                         \
	{                                                                                                    \
		return image->section[SNAPIMG_SECTION_##SECTION].count;                                      \
	}
SNAPIMG_RECORDS(X)
#undef X

/* CARRIED has the records of CONTENTS, whose `object` is the index of a file. */
static inline const struct snapimg_content *snapimg_get_carried(const struct snapimg *image)
{
	return (const struct snapimg_content *)image->section[SNAPIMG_SECTION_CARRIED].bytes;
}
/* STREAMS has the records of SETTINGS, whose `object` is the number of an inherited descriptor. */
static inline const struct snapimg_setting *snapimg_get_stream(const struct snapimg *image)
{
	return (const struct snapimg_setting *)image->section[SNAPIMG_SECTION_STREAMS].bytes;
}
static inline uint32_t snapimg_stream_count(const struct snapimg *image)
{
	return image->section[SNAPIMG_SECTION_STREAMS].count;
}
/* What a record of IPC has in IPCDATA; NULL: nothing. */
static inline const uint8_t *snapimg_ipc_bytes(const struct snapimg *image, const struct snapimg_ipc *ipc)
{
	const uint8_t *bytes = (const uint8_t *)image->section[SNAPIMG_SECTION_IPCDATA].bytes;

	return ipc->stored == 0 ? NULL : bytes + ipc->offset;
}
/* ROOTDATA likewise: an index of ROOT. */
static inline const struct snapimg_content *snapimg_get_rootdata(const struct snapimg *image)
{
	return (const struct snapimg_content *)image->section[SNAPIMG_SECTION_ROOTDATA].bytes;
}
static inline uint32_t snapimg_rootdata_count(const struct snapimg *image)
{
	return image->section[SNAPIMG_SECTION_ROOTDATA].count;
}
static inline uint32_t snapimg_carried_count(const struct snapimg *image)
{
	return image->section[SNAPIMG_SECTION_CARRIED].count;
}

#endif
