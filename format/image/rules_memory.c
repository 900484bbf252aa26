/* The rules of mappings, page runs, pieces, extents, fix-ups and the shim. */
#include "format/image/check.h"

enum {
	PROTECTION_ALL = SNAPIMG_PROT_READ | SNAPIMG_PROT_WRITE | SNAPIMG_PROT_EXEC,
	MAP_FLAGS_ALL = SNAPIMG_MAP_SHARED | SNAPIMG_MAP_NORESERVE | SNAPIMG_MAP_READ_ONLY |
	                SNAPIMG_MAP_MAY_WRITE | SNAPIMG_MAP_DROPPABLE | SNAPIMG_MAP_SEALED |
	                SNAPIMG_MAP_EMBEDDED | SNAPIMG_MAP_TREE | SNAPIMG_MAP_SEGMENT,
	ADVICE_ALL = 0
#define X(name, bit, letters, advice) | SNAPIMG_ADVICE_##name
	SNAPIMG_ADVICE(X)
#undef X
};

enum snapimg_error snapimg_rule_run(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_run *run = snapimg_get_run(image) + index;
	uint64_t task_size = snapimg_get_machine(image)->task_size;

	if (run->address % SNAPIMG_PAGE_SIZE != 0 || run->address >= task_size || run->pages == 0 ||
	    run->pages > (task_size - run->address) / SNAPIMG_PAGE_SIZE ||
	    (run->kind != SNAPIMG_RUN_DATA && run->kind != SNAPIMG_RUN_ZERO) ||
	    (index > 0 && run->address < snapimg_run_end(run - 1)))
		return SNAPIMG_ERR_RUN;
	return SNAPIMG_OK;
}

static bool mapping_range_is_valid(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image) + index;

	return mapping->start % SNAPIMG_PAGE_SIZE == 0 && mapping->end % SNAPIMG_PAGE_SIZE == 0 &&
	       mapping->offset % SNAPIMG_PAGE_SIZE == 0 && mapping->start < mapping->end &&
	       mapping->end <= snapimg_get_machine(image)->task_size &&
	       mapping->offset <= INT64_MAX - (mapping->end - mapping->start) &&
	       (index == 0 || mapping[-1].end <= mapping->start);
}

static bool memory_is_valid(const struct snapimg *image, const struct snapimg_mapping *memory)
{
	uint32_t kind;

	if (memory->protection != (SNAPIMG_PROT_READ | SNAPIMG_PROT_WRITE) || memory->offset != 0 ||
	    memory->advice != 0 || memory->name != 0 || !(memory->flags & SNAPIMG_MAP_SHARED) ||
	    memory->start < SNAPIMG_MEMORY_START || memory->end > SNAPIMG_MEMORY_END)
		return false;
	if (memory->flags & SNAPIMG_MAP_SEGMENT)
		return memory->file - 1 <= INT32_MAX;
	if (memory->file > snapimg_object_count(image))
		return false;
	if (memory->file == 0)
		return true;
	kind = snapimg_get_object(image)[memory->file - 1].kind;
	return kind == SNAPIMG_OBJECT_MEMFD || kind == SNAPIMG_OBJECT_UNLINKED ||
	       (kind == SNAPIMG_OBJECT_TREE && memory->flags & SNAPIMG_MAP_TREE);
}

static bool view_is_valid(const struct snapimg *image, const struct snapimg_mapping *view)
{
	const struct snapimg_mapping *memory;
	bool is_shared = view->flags & SNAPIMG_MAP_SHARED;

	if (view->file == 0 || view->file > snapimg_mapping_count(image))
		return false;
	memory = snapimg_get_mapping(image) + view->file - 1;
	if (memory->kind != SNAPIMG_MAPPING_MEMORY || (is_shared && view->run_count != 0))
		return false;
	if (view->flags & SNAPIMG_MAP_READ_ONLY && is_shared && view->protection & SNAPIMG_PROT_WRITE)
		return false;
	if (memory->flags & SNAPIMG_MAP_SEGMENT)
		return is_shared && view->offset < memory->end - memory->start;
	return memory->file != 0 || (is_shared && !(view->flags & SNAPIMG_MAP_READ_ONLY) &&
	                             view->offset < memory->end - memory->start);
}

static bool ring_is_valid(const struct snapimg *image, const struct snapimg_mapping *ring)
{
	const struct snapimg_object *object;
	uint64_t size = ring->end - ring->start;

	if ((ring->flags & ~(uint32_t)SNAPIMG_MAP_SEALED) != SNAPIMG_MAP_SHARED || ring->run_count != 0 ||
	    ring->file == 0 || ring->file > snapimg_object_count(image))
		return false;
	object = snapimg_get_object(image) + ring->file - 1;
	if (object->kind != SNAPIMG_OBJECT_AIO)
		return object->kind == SNAPIMG_OBJECT_URING;
	return ring->offset == 0 && ring->protection == (SNAPIMG_PROT_READ | SNAPIMG_PROT_WRITE) &&
	       size > SNAPIMG_AIO_HEADER_SIZE &&
	       object->value[SNAPIMG_AIO_EVENTS] <= (size - SNAPIMG_AIO_HEADER_SIZE) / SNAPIMG_AIO_EVENT_SIZE;
}

/* Flags that only some mappings have. */
static bool mapping_flags_are_valid(const struct snapimg *image, const struct snapimg_mapping *mapping)
{
	uint32_t flags = mapping->flags;

	if (flags & SNAPIMG_MAP_DROPPABLE &&
	    (mapping->kind != SNAPIMG_MAPPING_ANONYMOUS || flags & SNAPIMG_MAP_SHARED))
		return false;
	if (flags & SNAPIMG_MAP_EMBEDDED &&
	    (mapping->kind != SNAPIMG_MAPPING_FILE || flags & SNAPIMG_MAP_SHARED ||
	     !(image->header->required_features & SNAPIMG_FEATURE_SELF_CONTAINED)))
		return false;
	if (flags & SNAPIMG_MAP_READ_ONLY && mapping->kind != SNAPIMG_MAPPING_VIEW)
		return false;
	if (flags & SNAPIMG_MAP_TREE && (mapping->kind != SNAPIMG_MAPPING_MEMORY ||
	                                 !(image->header->required_features & SNAPIMG_FEATURE_TREE)))
		return false;
	if (flags & SNAPIMG_MAP_SEGMENT && (mapping->kind != SNAPIMG_MAPPING_MEMORY ||
	                                    !(image->header->required_features & SNAPIMG_FEATURE_IPC)))
		return false;
	return !(flags & SNAPIMG_MAP_MAY_WRITE) ||
	       (mapping->kind == SNAPIMG_MAPPING_FILE && flags & SNAPIMG_MAP_SHARED &&
	        !(mapping->protection & SNAPIMG_PROT_WRITE) &&
	        image->header->required_features & SNAPIMG_FEATURE_MEMORY);
}

static bool mapping_kind_is_valid(const struct snapimg *image, const struct snapimg_mapping *mapping)
{
	bool is_shared = mapping->flags & SNAPIMG_MAP_SHARED;

	switch (mapping->kind) {
	case SNAPIMG_MAPPING_ANONYMOUS:
		return mapping->file == 0;
	case SNAPIMG_MAPPING_STACK:
		return mapping->file == 0 && !is_shared;
	case SNAPIMG_MAPPING_FILE:
		return mapping->file >= 1 && mapping->file <= snapimg_file_count(image) &&
		       (mapping->flags & SNAPIMG_MAP_EMBEDDED ||
		        image->header->required_features & SNAPIMG_FEATURE_FILE_MAPPINGS) &&
		       (!is_shared || mapping->run_count == 0);
	case SNAPIMG_MAPPING_MEMORY:
		return image->header->required_features & SNAPIMG_FEATURE_MEMORY &&
		       memory_is_valid(image, mapping);
	case SNAPIMG_MAPPING_VIEW:
		return image->header->required_features & SNAPIMG_FEATURE_MEMORY &&
		       view_is_valid(image, mapping);
	case SNAPIMG_MAPPING_RING:
		return image->header->required_features & SNAPIMG_FEATURE_RINGS &&
		       ring_is_valid(image, mapping);
	case SNAPIMG_MAPPING_VVAR:
	case SNAPIMG_MAPPING_VDSO:
		return mapping->file == 0 && !is_shared && mapping->run_count == 0;
	default:
		return false;
	}
}

/* Runs are sorted and disjoint by their own rule, so the first and the last tell about all. */
static bool mapping_runs_are_valid(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image) + index;
	const struct snapimg_run *run = snapimg_get_run(image);
	uint32_t total = snapimg_run_count(image);
	uint32_t before = index == 0 ? 0 : mapping[-1].run_first + mapping[-1].run_count;
	uint32_t end;

	if (mapping->run_first != before || mapping->run_count > total - before)
		return false;
	end = before + mapping->run_count;
	if (index + 1 == snapimg_mapping_count(image) && end != total)
		return false;
	return mapping->run_count == 0 ||
	       (run[before].address >= mapping->start && snapimg_run_end(&run[end - 1]) <= mapping->end);
}

enum snapimg_error snapimg_rule_mapping(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image) + index;

	if (mapping->name >= image->section[SNAPIMG_SECTION_STRINGS].size)
		return SNAPIMG_ERR_STRING;
	if (!mapping_range_is_valid(image, index) || (mapping->protection & ~(uint32_t)PROTECTION_ALL) != 0 ||
	    (mapping->flags & ~(uint32_t)MAP_FLAGS_ALL) != 0 ||
	    (mapping->advice & ~(uint32_t)ADVICE_ALL) != 0 || mapping->reserved_zero != 0 ||
	    !mapping_flags_are_valid(image, mapping) || !mapping_kind_is_valid(image, mapping) ||
	    !mapping_runs_are_valid(image, index))
		return SNAPIMG_ERR_MAPPING;
	return SNAPIMG_OK;
}

static bool can_be_mapped(const struct snapimg_mapping *mapping)
{
	return (mapping->kind == SNAPIMG_MAPPING_ANONYMOUS || mapping->kind == SNAPIMG_MAPPING_FILE) &&
	       !(mapping->flags & SNAPIMG_MAP_SHARED) && !(mapping->advice & SNAPIMG_ADVICE_WIPEONFORK);
}

/* It begins and ends with runs of its mapping; as runs and pieces are sorted, it has all between them. */
static bool piece_runs_are_valid(const struct snapimg *image, const struct snapimg_piece *piece,
                                 const struct snapimg_mapping *mapping)
{
	const struct snapimg_run *run = snapimg_get_run(image);
	uint32_t before = piece->run_first - mapping->run_first; /* runs of the mapping before it */
	uint32_t i;

	if (piece->run_count == 0 || piece->run_first < mapping->run_first || before > mapping->run_count ||
	    piece->run_count > mapping->run_count - before)
		return false;
	/* A page of a file that no run names is the file's. */
	bool of_file = mapping->kind == SNAPIMG_MAPPING_FILE && !(mapping->flags & SNAPIMG_MAP_EMBEDDED);
	for (i = 1; of_file && i < piece->run_count; i++)
		if (run[piece->run_first + i].address != snapimg_run_end(&run[piece->run_first + i - 1]))
			return false;
	return piece->start == run[piece->run_first].address &&
	       piece->end == snapimg_run_end(&run[piece->run_first + piece->run_count - 1]);
}

enum snapimg_error snapimg_rule_piece(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_piece *piece = snapimg_get_piece(image) + index;
	uint64_t data_end = SNAPIMG_HEADER_AREA + image->section[SNAPIMG_SECTION_DATA].size;
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);

	if (piece->mapping >= snapimg_mapping_count(image) || piece->reserved_zero != 0 ||
	    !(image->header->required_features & SNAPIMG_FEATURE_THAWED) ||
	    !can_be_mapped(mapping + piece->mapping) ||
	    !piece_runs_are_valid(image, piece, mapping + piece->mapping) ||
	    (index > 0 && piece[-1].run_first + piece[-1].run_count > piece->run_first) ||
	    piece->offset % SNAPIMG_PAGE_SIZE != 0 || piece->offset < SNAPIMG_HEADER_AREA ||
	    piece->offset > data_end || piece->end - piece->start > data_end - piece->offset)
		return SNAPIMG_ERR_PIECE;
	return SNAPIMG_OK;
}

/* The first piece that has runs after `run`; NULL: none. */
static const struct snapimg_piece *piece_behind(const struct snapimg *image, uint32_t run)
{
	const struct snapimg_piece *piece = snapimg_get_piece(image);
	uint32_t low = 0, high = snapimg_piece_count(image);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (piece[middle].run_first + piece[middle].run_count <= run)
			low = middle + 1;
		else
			high = middle;
	}
	return low < snapimg_piece_count(image) ? piece + low : NULL;
}

/* MAPPED: all its runs are of one piece, and it lies where that maps it. Others have no runs of a piece. */
static bool extent_piece_is_valid(const struct snapimg *image, const struct snapimg_extent *extent)
{
	const struct snapimg_piece *piece = piece_behind(image, extent->run_first);
	const struct snapimg_run *run = snapimg_get_run(image) + extent->run_first;
	uint32_t end = extent->run_first + extent->run_count;

	if (extent->kind != SNAPIMG_EXTENT_MAPPED)
		return piece == NULL || piece->run_first >= end;
	return piece != NULL && piece->run_first <= extent->run_first &&
	       end <= piece->run_first + piece->run_count &&
	       extent->offset == piece->offset + (run->address - piece->start) &&
	       extent->stored_size == snapimg_run_end(&run[extent->run_count - 1]) - run->address;
}

/* In the file: after the extent before, RAW at the next page, MAPPED at that or a later one, and the last
 * one ends DATA. */
static bool extent_is_placed(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image) + index;
	uint64_t data_end = SNAPIMG_HEADER_AREA + image->section[SNAPIMG_SECTION_DATA].size;
	uint64_t expected = index == 0 ? SNAPIMG_HEADER_AREA : extent[-1].offset + extent[-1].stored_size;

	if (extent->kind == SNAPIMG_EXTENT_RAW || extent->kind == SNAPIMG_EXTENT_MAPPED)
		expected = snapimg_align(expected, SNAPIMG_PAGE_SIZE);
	if (extent->kind == SNAPIMG_EXTENT_MAPPED && extent->offset > expected)
		expected = extent->offset;
	if (extent->offset != expected || expected > data_end || extent->stored_size > data_end - expected)
		return false;
	return index + 1 < snapimg_extent_count(image) || expected + extent->stored_size == data_end;
}

/* Its runs follow those of the extent before, and their DATA pages are raw_size. */
static bool extent_runs_are_valid(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image) + index;
	const struct snapimg_run *run = snapimg_get_run(image);
	uint32_t total = snapimg_run_count(image);
	uint32_t before = index == 0 ? 0 : extent[-1].run_first + extent[-1].run_count;
	uint64_t pages = 0;
	uint32_t i;

	if (extent->run_first != before || extent->run_count == 0 || extent->run_count > total - before)
		return false;
	for (i = before; i < before + extent->run_count; i++)
		pages += run[i].kind == SNAPIMG_RUN_DATA ? run[i].pages : 0;
	return pages * SNAPIMG_PAGE_SIZE == extent->raw_size && extent->raw_size <= SNAPIMG_EXTENT_MAX &&
	       (index + 1 < snapimg_extent_count(image) || before + extent->run_count == total);
}

static bool extent_kind_is_valid(const struct snapimg *image, const struct snapimg_extent *extent)
{
	switch (extent->kind) {
	case SNAPIMG_EXTENT_ZERO:
		return extent->stored_size == 0 && extent->raw_size == 0;
	case SNAPIMG_EXTENT_RAW:
		return extent->raw_size > 0 && extent->stored_size == extent->raw_size;
	case SNAPIMG_EXTENT_ZSTD:
		return extent->raw_size > 0 && extent->stored_size > 0 &&
		       image->header->required_features & SNAPIMG_FEATURE_ZSTD;
	case SNAPIMG_EXTENT_LZ4:
		return extent->raw_size > 0 && extent->stored_size > 0 &&
		       image->header->required_features & SNAPIMG_FEATURE_LZ4;
	case SNAPIMG_EXTENT_MAPPED:
		return extent->stored_size > 0 && extent->stored_size >= extent->raw_size &&
		       extent->stored_size <= SNAPIMG_EXTENT_MAX &&
		       image->header->required_features & SNAPIMG_FEATURE_THAWED;
	default:
		return false;
	}
}

uint32_t snapimg_mapping_after(const struct snapimg *image, uint64_t address)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	uint32_t low = 0, high = snapimg_mapping_count(image);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (mapping[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The mapping that holds all of [address, address + size), or NULL. */
static const struct snapimg_mapping *find_mapping(const struct snapimg *image, uint64_t address,
                                                  uint64_t size)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	uint32_t low = snapimg_mapping_after(image, address);

	if (low == snapimg_mapping_count(image) || address < mapping[low].start ||
	    size > mapping[low].end - address)
		return NULL;
	return mapping + low;
}

/* OF_FILES: nothing but what a loader may map from files instead. */
static bool extent_flags_are_valid(const struct snapimg *image, const struct snapimg_extent *extent)
{
	const struct snapimg_run *run = snapimg_get_run(image) + extent->run_first;
	uint32_t i;

	if (extent->flags == 0)
		return true;
	if (extent->flags != SNAPIMG_EXTENT_OF_FILES ||
	    (extent->kind != SNAPIMG_EXTENT_RAW && !snapimg_extent_is_packed(extent)))
		return false;
	for (i = 0; i < extent->run_count; i++) {
		const struct snapimg_mapping *mapping =
		        find_mapping(image, run[i].address, (uint64_t)run[i].pages * SNAPIMG_PAGE_SIZE);

		if (mapping == NULL || !(mapping->flags & SNAPIMG_MAP_EMBEDDED))
			return false;
	}
	return true;
}

enum snapimg_error snapimg_rule_extent(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image) + index;

	if (!extent_kind_is_valid(image, extent) || !extent_is_placed(image, index) ||
	    !extent_runs_are_valid(image, index) || !extent_piece_is_valid(image, extent) ||
	    !extent_flags_are_valid(image, extent))
		return SNAPIMG_ERR_EXTENT;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_hot(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_hot *hot = snapimg_get_hot(image) + index;
	uint64_t size = (uint64_t)hot->pages * SNAPIMG_PAGE_SIZE;

	if (hot->address % SNAPIMG_PAGE_SIZE != 0 || hot->pages == 0 ||
	    (hot->kind != SNAPIMG_HOT_READ && hot->kind != SNAPIMG_HOT_WRITTEN) ||
	    (index > 0 && hot[-1].address + (uint64_t)hot[-1].pages * SNAPIMG_PAGE_SIZE > hot->address) ||
	    find_mapping(image, hot->address, size) == NULL)
		return SNAPIMG_ERR_HOT;
	return SNAPIMG_OK;
}

/* The loader writes there: the program's own private memory, in one mapping. */
static bool can_be_fixed(const struct snapimg *image, uint64_t address, uint64_t size)
{
	const struct snapimg_mapping *mapping = find_mapping(image, address, size);

	return mapping != NULL &&
	       (mapping->kind == SNAPIMG_MAPPING_ANONYMOUS || mapping->kind == SNAPIMG_MAPPING_STACK ||
	        mapping->kind == SNAPIMG_MAPPING_VIEW ||
	        (mapping->kind == SNAPIMG_MAPPING_FILE && !(mapping->flags & SNAPIMG_MAP_SHARED)));
}

enum snapimg_error snapimg_rule_fixup(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_fixup *fixup = snapimg_get_fixup(image) + index;
	bool argument_is_valid = true;
	uint64_t size;

	switch (fixup->kind) {
	case SNAPIMG_FIXUP_TID:
	case SNAPIMG_FIXUP_ROBUST:
		size = sizeof(uint32_t);
		argument_is_valid = fixup->argument < snapimg_thread_count(image);
		break;
	case SNAPIMG_FIXUP_ENVIRON:
	case SNAPIMG_FIXUP_ARGV:
		size = sizeof(uint64_t);
		break;
	case SNAPIMG_FIXUP_ARGC:
		size = fixup->argument;
		argument_is_valid = size == sizeof(uint32_t) || size == sizeof(uint64_t);
		break;
	case SNAPIMG_FIXUP_RESUME:
		size = fixup->argument;
		argument_is_valid = size > 0 && size % SNAPIMG_RESUME_SIZE == 0;
		break;
	default:
		return SNAPIMG_ERR_FIXUP;
	}
	if (fixup->kind == SNAPIMG_FIXUP_ROBUST &&
	    !(image->header->required_features & SNAPIMG_FEATURE_ROBUST))
		return SNAPIMG_ERR_FIXUP;
	return argument_is_valid && can_be_fixed(image, fixup->address, size) ? SNAPIMG_OK
	                                                                      : SNAPIMG_ERR_FIXUP;
}

/* The loader writes the table's head there; the shim trusts it, so it must be the shim's own. */
enum snapimg_error snapimg_rule_shim(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_shim *shim = snapimg_get_shim(image) + index;

	return shim->size > 0 && can_be_fixed(image, shim->address, shim->size) ? SNAPIMG_OK
	                                                                        : SNAPIMG_ERR_SHIM;
}

/* Where the loader writes it checks the memory itself. */
enum snapimg_error snapimg_rule_kept(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_kept *kept = snapimg_get_kept(image) + index;
	const uint64_t registers = (uint64_t)snapimg_thread_count(image) * sizeof(struct snapimg_thread);
	bool place_is_valid = false;

	switch (kept->kind) {
	case SNAPIMG_KEPT_SEARCHED:
	case SNAPIMG_KEPT_COMMON:
	case SNAPIMG_KEPT_VECTOR:
	case SNAPIMG_KEPT_CONTENT:
	case SNAPIMG_KEPT_ENTRY:
	case SNAPIMG_KEPT_NAMED:
	case SNAPIMG_KEPT_OWN_NAME:
	case SNAPIMG_KEPT_PARENT_COMMON:
		place_is_valid = kept->address == 0;
		break;
	case SNAPIMG_KEPT_PARENT:
		place_is_valid = kept->address != 0 && kept->address <= INT32_MAX;
		break;
	case SNAPIMG_KEPT_WORD:
	case SNAPIMG_KEPT_TEXT:
	case SNAPIMG_KEPT_EXECUTABLE:
	case SNAPIMG_KEPT_SEED:
	case SNAPIMG_KEPT_NAME:
	case SNAPIMG_KEPT_PATH:
	case SNAPIMG_KEPT_TAGGED:
	case SNAPIMG_KEPT_UNSURE:
	case SNAPIMG_KEPT_CLOCK:
	case SNAPIMG_KEPT_PARENT_WORD:
	case SNAPIMG_KEPT_NEGATIVE:
	case SNAPIMG_KEPT_PACKED:
	case SNAPIMG_KEPT_SWAPPED:
	case SNAPIMG_KEPT_HEXADECIMAL:
	case SNAPIMG_KEPT_WIDE:
	case SNAPIMG_KEPT_PARENT_TEXT:
	case SNAPIMG_KEPT_PARENT_TAGGED:
	case SNAPIMG_KEPT_PARENT_NAME:
		place_is_valid = find_mapping(image, kept->address, 1) != NULL;
		break;
	case SNAPIMG_KEPT_REGISTER:
	case SNAPIMG_KEPT_PARENT_REGISTER:
		place_is_valid =
		        kept->address % sizeof(uint64_t) == 0 && kept->address < registers &&
		        kept->address % sizeof(struct snapimg_thread) < sizeof(struct snapimg_registers);
		break;
	}
	return place_is_valid && (index == 0) == (kept->kind == SNAPIMG_KEPT_SEARCHED) &&
	                       kept->thread < snapimg_thread_count(image) && kept->corrected <= 1 &&
	                       kept->reserved_zero == 0 && snapimg_string_is_valid(image, kept->where) &&
	                       snapimg_string_is_valid(image, kept->what)
	               ? SNAPIMG_OK
	               : SNAPIMG_ERR_KEPT;
}
