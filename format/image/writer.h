/*
 * Writes an image through a sink. The page data come first (in order, while
 * the target is still being read); the sections, the section table and last
 * the header follow when everything is known, so a file cut short has no
 * header and is no image.
 *
 * Use: snapimg_writer_new, snapimg_writer_put_extent for each extent in order, the
 * snapimg_writer_add_... and _string calls in any order, snapimg_writer_finish,
 * snapimg_writer_free. Not thread-safe. Errors are sticky: after one every call
 * returns it.
 */
#ifndef FORMAT_IMAGE_WRITER_H
#define FORMAT_IMAGE_WRITER_H

#include <stdbool.h>

#include "format/image/error.h"
#include "format/image/layout.h"
#include "format/image/reader.h"

/* Writes `size` bytes at `offset` of the image (offsets only grow, but for the header's 0 at the
 * end). Returns 0, or not 0 when it could not; it keeps its own reason. */
typedef int snapimg_sink(void *context, uint64_t offset, const void *bytes, size_t size);

struct snapimg_writer;

/* The image of another process of a tree, in that of the first: after its page data and before its records.
 * What is given to the writer that _begin_ returns (NULL: out of memory) lies at part->offset; when it is
 * finished, and freed, with that `size`, _end_ goes on after it. *part must stay where it is until then. */
struct snapimg_part {
	struct snapimg_writer *writer;
	uint64_t offset;
};
struct snapimg_writer *snapimg_writer_begin_member(struct snapimg_writer *writer, struct snapimg_part *part);
void snapimg_writer_end_member(struct snapimg_writer *writer, const struct snapimg_part *part, uint64_t size);

/* NULL when out of memory. The header area's offset is left unwritten until _finish. */
struct snapimg_writer *snapimg_writer_new(snapimg_sink *sink, void *context);
void snapimg_writer_free(struct snapimg_writer *writer);

/* Appends an extent: its runs (borrowed, copied) and its stored bytes. kind, raw_size, stored_size
 * and checksum of *extent are the caller's (so that workers can compute them in parallel); offset,
 * run_first and run_count, and the checksum of ZERO, are set by the writer. RAW is placed page-aligned;
 * MAPPED where its offset says, at or past snapimg_writer_position, and what is passed over, and
 * long zeros between its pages, is not written: the sink's storage must read as zeros there. */
enum snapimg_error snapimg_writer_put_extent(struct snapimg_writer *writer, struct snapimg_extent *extent,
                                             const struct snapimg_run *runs, uint32_t run_count,
                                             const void *stored) __attribute__((warn_unused_result));

/* The same for an extent whose bytes the caller writes to its offset itself; its checksum is due before
 * _finish, by its index among all extents. */
enum snapimg_error snapimg_writer_place_extent(struct snapimg_writer *writer, struct snapimg_extent *extent,
                                               const struct snapimg_run *runs, uint32_t run_count)
        __attribute__((warn_unused_result));
void snapimg_writer_set_checksum(struct snapimg_writer *writer, size_t index, uint64_t checksum);

/* What of a MAPPED extent is written: long zeros between its pages stay holes of the file. */
struct snapimg_stretch {
	uint64_t start, end; /* bytes from the extent's beginning */
	uint32_t next;       /* run after it */
};
/* The next one; from {0} on. False: that was the last. */
bool snapimg_stretch_next(const struct snapimg_run *runs, uint32_t run_count, struct snapimg_stretch *stretch)
        __attribute__((warn_unused_result));

/* The first byte after what was put so far. */
uint64_t snapimg_writer_position(const struct snapimg_writer *writer);

/* Takes over all sections of an image but what holds its pages or tells how (DATA, EXTENTS, RUNS, PIECES,
 * SOURCE, UNSYNCED). Before anything was added; no string may be interned after it. */
enum snapimg_error snapimg_writer_copy_records(struct snapimg_writer *writer, const struct snapimg *image)
        __attribute__((warn_unused_result));

/* Forgets what was added to a section (not STRINGS, nor those of the extents). */
void snapimg_writer_clear(struct snapimg_writer *writer, enum snapimg_section_type type);

/* Interns a string and gives its offset; "" is 0. */
enum snapimg_error snapimg_writer_string(struct snapimg_writer *writer, const char *text,
                                         uint32_t *ret_offset) __attribute__((warn_unused_result));

/* Appends one record (or, for byte sections, any bytes) to the section of that type. The size must
 * be a multiple of the type's record size. run_first and run_count of mappings are set at _finish. */
enum snapimg_error snapimg_writer_add(struct snapimg_writer *writer, enum snapimg_section_type type,
                                      const void *bytes, size_t size) __attribute__((warn_unused_result));

/* Applies the reader's rules to all records, then writes sections, table and header; the required features
 * are found from what was put. *ret_size is the image's size, digest the 16 bytes that name it; both may be
 * NULL. */
enum snapimg_error snapimg_writer_finish(struct snapimg_writer *writer, uint64_t *ret_size,
                                         uint8_t digest[SNAPIMG_DIGEST_SIZE])
        __attribute__((warn_unused_result));

/* After _finish refused a record: its section's type (0: none) and its index, for the message. */
void snapimg_writer_failure(const struct snapimg_writer *writer, uint32_t *ret_section, uint64_t *ret_index);

#endif
