/* Inside the reader: what its files (and the writer, which checks itself with the same rules) share. */
#ifndef FORMAT_IMAGE_CHECK_H
#define FORMAT_IMAGE_CHECK_H

#include <stdbool.h>

#include "format/image/reader.h"

/* What SNAPIMG_SECTIONS says about a type. Text is inline so that the table needs no relocation. */
struct snapimg_section_rule {
	uint32_t record_size;
	char count; /* '1', '+', '?' or '*'; 0: no such type */
	char text[27];
};
extern const struct snapimg_section_rule snapimg_section_rules[SNAPIMG_SECTION_LIMIT];

/* A rule for one record of a section (for byte sections: index 0, the whole), told by its index. It may look
 * at the records before it and at sections checked before its own. */
typedef enum snapimg_error snapimg_rule(const struct snapimg *image, uint32_t index);

snapimg_rule snapimg_rule_strings, snapimg_rule_machine, snapimg_rule_origin, snapimg_rule_process,
        snapimg_rule_thread, snapimg_rule_file, snapimg_rule_run, snapimg_rule_mapping, snapimg_rule_extent,
        snapimg_rule_descriptor, snapimg_rule_signal, snapimg_rule_arguments, snapimg_rule_auxv,
        snapimg_rule_fixup, snapimg_rule_pending, snapimg_rule_place, snapimg_rule_object,
        snapimg_rule_setting, snapimg_rule_content, snapimg_rule_watch, snapimg_rule_lock,
        snapimg_rule_attribute, snapimg_rule_timer, snapimg_rule_guard, snapimg_rule_inotify,
        snapimg_rule_owner, snapimg_rule_kept, snapimg_rule_clocks, snapimg_rule_processor,
        snapimg_rule_identity, snapimg_rule_carried, snapimg_rule_root, snapimg_rule_rootdata,
        snapimg_rule_vdso, snapimg_rule_stream, snapimg_rule_piece, snapimg_rule_hot, snapimg_rule_shim,
        snapimg_rule_input, snapimg_rule_member, snapimg_rule_ipc, snapimg_rule_passed, snapimg_rule_edge,
        snapimg_rule_inherited;

/* Whether one of the first `count` descriptors has this number and is open (not CLOSED). */
bool snapimg_is_open(const struct snapimg *image, uint32_t count, int32_t number);

/* Applies every rule to the records that image->section shows; needs image->header's features. Sets
 * failed_section and failed_index. */
enum snapimg_error snapimg_check_records(struct snapimg *image) __attribute__((warn_unused_result));

static inline bool snapimg_string_is_valid(const struct snapimg *image, uint32_t offset)
{
	return offset < image->section[SNAPIMG_SECTION_STRINGS].size;
}

/* Whether the bytes of a record of CONTENTS or CARRIED are in BYTES, in one of the two ways. */
bool snapimg_content_is_stored(const struct snapimg *image, const struct snapimg_content *content);

static inline bool snapimg_is_zero(const void *bytes, uint64_t size)
{
	const uint8_t *byte = bytes;
	uint64_t i;

	for (i = 0; i < size; i++)
		if (byte[i] != 0)
			return false;
	return true;
}

#endif
