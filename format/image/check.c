/* The order in which the rules of all records are applied. */
#include "format/image/check.h"

/* What no single record shows. */
static enum snapimg_error check_whole(struct snapimg *image)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	uint32_t vdso_size = snapimg_get_machine(image)->vdso_size;
	uint32_t i, vdso_count = 0;

	if (snapimg_extent_count(image) == 0 &&
	    (snapimg_run_count(image) != 0 || image->section[SNAPIMG_SECTION_DATA].size != 0))
		return SNAPIMG_ERR_EXTENT;
	for (i = 0; i < snapimg_mapping_count(image); i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_VDSO)
			continue;
		vdso_count++;
		if (mapping[i].end - mapping[i].start != vdso_size)
			return SNAPIMG_ERR_MACHINE;
	}
	return vdso_count == (vdso_size != 0) ? SNAPIMG_OK : SNAPIMG_ERR_MACHINE;
}

/* In this order: a rule may rely on the sections before its own. */
static const struct {
	uint32_t section;
	snapimg_rule *rule;
} rules[] = {
        {SNAPIMG_SECTION_STRINGS, snapimg_rule_strings},
        {SNAPIMG_SECTION_MACHINE, snapimg_rule_machine},
        {SNAPIMG_SECTION_VDSO, snapimg_rule_vdso},
        {SNAPIMG_SECTION_ORIGIN, snapimg_rule_origin},
        {SNAPIMG_SECTION_PROCESS, snapimg_rule_process},
        {SNAPIMG_SECTION_THREADS, snapimg_rule_thread},
        {SNAPIMG_SECTION_FILES, snapimg_rule_file},
        {SNAPIMG_SECTION_IDENTITIES, snapimg_rule_identity},
        {SNAPIMG_SECTION_CARRIED, snapimg_rule_carried},
        {SNAPIMG_SECTION_ROOT, snapimg_rule_root},
        {SNAPIMG_SECTION_ROOTDATA, snapimg_rule_rootdata},
        {SNAPIMG_SECTION_RUNS, snapimg_rule_run},
        {SNAPIMG_SECTION_MAPPINGS, snapimg_rule_mapping},
        {SNAPIMG_SECTION_PIECES, snapimg_rule_piece},
        {SNAPIMG_SECTION_EXTENTS, snapimg_rule_extent},
        {SNAPIMG_SECTION_INHERITED, snapimg_rule_inherited},
        {SNAPIMG_SECTION_OBJECTS, snapimg_rule_object},
        {SNAPIMG_SECTION_DESCRIPTORS, snapimg_rule_descriptor},
        {SNAPIMG_SECTION_SETTINGS, snapimg_rule_setting},
        {SNAPIMG_SECTION_STREAMS, snapimg_rule_stream},
        {SNAPIMG_SECTION_CONTENTS, snapimg_rule_content},
        {SNAPIMG_SECTION_PASSED, snapimg_rule_passed},
        {SNAPIMG_SECTION_WATCHES, snapimg_rule_watch},
        {SNAPIMG_SECTION_EDGES, snapimg_rule_edge},
        {SNAPIMG_SECTION_LOCKS, snapimg_rule_lock},
        {SNAPIMG_SECTION_INOTIFY, snapimg_rule_inotify},
        {SNAPIMG_SECTION_OWNERS, snapimg_rule_owner},
        {SNAPIMG_SECTION_SIGNALS, snapimg_rule_signal},
        {SNAPIMG_SECTION_ARGUMENTS, snapimg_rule_arguments},
        {SNAPIMG_SECTION_AUXV, snapimg_rule_auxv},
        {SNAPIMG_SECTION_FIXUPS, snapimg_rule_fixup},
        {SNAPIMG_SECTION_PENDING, snapimg_rule_pending},
        {SNAPIMG_SECTION_PLACES, snapimg_rule_place},
        {SNAPIMG_SECTION_ATTRIBUTES, snapimg_rule_attribute},
        {SNAPIMG_SECTION_TIMERS, snapimg_rule_timer},
        {SNAPIMG_SECTION_GUARDS, snapimg_rule_guard},
        {SNAPIMG_SECTION_HOT, snapimg_rule_hot},
        {SNAPIMG_SECTION_SHIM, snapimg_rule_shim},
        {SNAPIMG_SECTION_KEPT, snapimg_rule_kept},
        {SNAPIMG_SECTION_CLOCKS, snapimg_rule_clocks},
        {SNAPIMG_SECTION_PROCESSOR, snapimg_rule_processor},
        {SNAPIMG_SECTION_INPUTS, snapimg_rule_input},
        {SNAPIMG_SECTION_TREE, snapimg_rule_member},
        {SNAPIMG_SECTION_IPC, snapimg_rule_ipc},
};

enum snapimg_error snapimg_check_records(struct snapimg *image)
{
	size_t i;
	uint32_t index;

	for (i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		uint32_t section = rules[i].section;
		uint32_t count = image->section[section].count;

		if (count > 0 && snapimg_section_rules[section].record_size == 1)
			count = 1;
		for (index = 0; index < count; index++) {
			enum snapimg_error error = rules[i].rule(image, index);

			if (error != SNAPIMG_OK) {
				image->failed_section = section;
				image->failed_index = index;
				return error;
			}
		}
	}
	return check_whole(image);
}
