#include "format/image/features.h"

#include "format/image/check.h"

typedef uint64_t features_of_record(const void *record);

static uint64_t of_mapping(const void *record)
{
	const struct snapimg_mapping *mapping = record;
	uint64_t features = 0;

	if (mapping->kind == SNAPIMG_MAPPING_FILE && !(mapping->flags & SNAPIMG_MAP_EMBEDDED))
		features |= SNAPIMG_FEATURE_FILE_MAPPINGS;
	if (mapping->kind == SNAPIMG_MAPPING_MEMORY || mapping->flags & SNAPIMG_MAP_MAY_WRITE)
		features |= SNAPIMG_FEATURE_MEMORY;
	if (mapping->kind == SNAPIMG_MAPPING_RING)
		features |= SNAPIMG_FEATURE_RINGS;
	if (mapping->flags & SNAPIMG_MAP_TREE)
		features |= SNAPIMG_FEATURE_TREE;
	if (mapping->flags & SNAPIMG_MAP_SEGMENT)
		features |= SNAPIMG_FEATURE_IPC;
	return features;
}

static uint64_t of_extent(const void *record)
{
	switch (((const struct snapimg_extent *)record)->kind) {
	case SNAPIMG_EXTENT_ZSTD:
		return SNAPIMG_FEATURE_ZSTD;
	case SNAPIMG_EXTENT_LZ4:
		return SNAPIMG_FEATURE_LZ4;
	case SNAPIMG_EXTENT_MAPPED:
		return SNAPIMG_FEATURE_THAWED;
	default:
		return 0;
	}
}

static uint64_t of_fixup(const void *record)
{
	return ((const struct snapimg_fixup *)record)->kind == SNAPIMG_FIXUP_ROBUST ? SNAPIMG_FEATURE_ROBUST
	                                                                            : 0;
}

static uint64_t of_content(const void *record)
{
	return ((const struct snapimg_content *)record)->stored_size != 0 ? SNAPIMG_FEATURE_ZSTD : 0;
}

static uint64_t of_process(const void *record)
{
	return ((const struct snapimg_process *)record)->flags & SNAPIMG_PROCESS_SELF_CONTAINED
	               ? SNAPIMG_FEATURE_SELF_CONTAINED
	               : 0;
}

static uint64_t of_identity(const void *record)
{
	return ((const struct snapimg_identity *)record)->flags & SNAPIMG_IDENTITY_ANOTHERS
	               ? SNAPIMG_FEATURE_TREE
	               : 0;
}

static uint64_t of_object(const void *record)
{
	const struct snapimg_object *object = record;

	switch (object->kind) {
	case SNAPIMG_OBJECT_PIDFD:
		return SNAPIMG_FEATURE_OBJECTS |
		       (object->value[SNAPIMG_PIDFD_PID] != 0 ? SNAPIMG_FEATURE_TREE : 0u);
	case SNAPIMG_OBJECT_CALLERS:
		return SNAPIMG_FEATURE_OBJECTS | SNAPIMG_FEATURE_CALLERS;
	case SNAPIMG_OBJECT_TREE:
		return SNAPIMG_FEATURE_OBJECTS | SNAPIMG_FEATURE_TREE;
	case SNAPIMG_OBJECT_AIO:
	case SNAPIMG_OBJECT_URING:
		return SNAPIMG_FEATURE_OBJECTS | SNAPIMG_FEATURE_RINGS;
	case SNAPIMG_OBJECT_MQUEUE:
		return SNAPIMG_FEATURE_OBJECTS | SNAPIMG_FEATURE_IPC;
	default:
		return SNAPIMG_FEATURE_OBJECTS;
	}
}

/* What a section asks for that has anything in it, and each of its records. */
static const struct {
	uint32_t section;
	uint64_t features;
	features_of_record *of;
} rows[] = {
        {SNAPIMG_SECTION_MAPPINGS, 0, of_mapping},
        {SNAPIMG_SECTION_EXTENTS, 0, of_extent},
        {SNAPIMG_SECTION_FIXUPS, 0, of_fixup},
        {SNAPIMG_SECTION_CONTENTS, 0, of_content},
        {SNAPIMG_SECTION_CARRIED, 0, of_content},
        {SNAPIMG_SECTION_ROOTDATA, 0, of_content},
        {SNAPIMG_SECTION_PROCESS, 0, of_process},
        {SNAPIMG_SECTION_IDENTITIES, 0, of_identity},
        {SNAPIMG_SECTION_OBJECTS, 0, of_object},
        {SNAPIMG_SECTION_SOURCE, SNAPIMG_FEATURE_THAWED, NULL},
        {SNAPIMG_SECTION_TREE, SNAPIMG_FEATURE_TREE, NULL},
        {SNAPIMG_SECTION_INHERITED, SNAPIMG_FEATURE_TREE, NULL},
        {SNAPIMG_SECTION_IPC, SNAPIMG_FEATURE_IPC, NULL},
        {SNAPIMG_SECTION_PASSED, SNAPIMG_FEATURE_PASSED, NULL},
        {SNAPIMG_SECTION_OWNERS, SNAPIMG_FEATURE_OWNERS, NULL},
};

uint64_t snapimg_features_of(const struct growing section[SNAPIMG_SECTION_LIMIT])
{
	uint64_t features = 0;
	size_t i, at;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct growing *records = &section[rows[i].section];

		if (records->size > 0)
			features |= rows[i].features;
		for (at = 0; rows[i].of != NULL && at < records->size;
		     at += snapimg_section_rules[rows[i].section].record_size)
			features |= rows[i].of(records->bytes + at);
	}
	if (section[SNAPIMG_SECTION_THREADS].size > sizeof(struct snapimg_thread))
		features |= SNAPIMG_FEATURE_THREADS;
	return features;
}
