/* The rules of TREE, the processes of a tree, and of INHERITED, the pages that they have alike. */
#include "format/image/check.h"

enum { SIGNAL_MAX = 64, STATUS_MAX = 0xffff };

/* One of the first `count`. */
static bool is_process(const struct snapimg *image, uint32_t count, uint32_t pid)
{
	const struct snapimg_member *member = snapimg_get_member(image);
	uint32_t i;

	for (i = 0; i < count; i++)
		if (member[i].pid == pid)
			return true;
	return false;
}

/* Each is a whole image, after those before it, and all are before the records. */
static bool place_is_valid(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_member *member = snapimg_get_member(image) + index;
	uint64_t before = SNAPIMG_HEADER_AREA + image->section[SNAPIMG_SECTION_DATA].size;
	uint32_t i;

	if (index == 0 || member->state == SNAPIMG_MEMBER_ZOMBIE)
		return member->offset == 0 && member->size == 0 &&
		       snapimg_is_zero(member->digest, sizeof(member->digest));
	for (i = index; i > 0; i--)
		if (member[(int)i - (int)index - 1].offset != 0) {
			before =
			        member[(int)i - (int)index - 1].offset + member[(int)i - (int)index - 1].size;
			break;
		}
	return member->offset % SNAPIMG_PAGE_SIZE == 0 && member->offset >= before &&
	       member->offset - before < SNAPIMG_PAGE_SIZE && member->size > SNAPIMG_HEADER_AREA &&
	       member->offset <= image->size && member->size <= image->size - member->offset;
}

static bool state_is_valid(const struct snapimg_member *member)
{
	const uint32_t flags = SNAPIMG_MEMBER_FOREGROUND | SNAPIMG_MEMBER_SHARES;
	uint32_t status = member->status & ~flags;

	switch (member->state) {
	case SNAPIMG_MEMBER_ALIVE:
		return status == 0;
	case SNAPIMG_MEMBER_STOPPED:
		return (status & ~(uint32_t)SNAPIMG_STOP_TOLD) - 1 < SIGNAL_MAX;
	case SNAPIMG_MEMBER_ZOMBIE:
		return member->status <= STATUS_MAX && member->descriptors == 0;
	default:
		return false;
	}
}

/* Its end that programs read and write: a master controls nobody. */
static bool terminal_is_valid(const struct snapimg *image, const struct snapimg_member *member)
{
	const struct snapimg_object *object;

	if (member->terminal == 0)
		return true;
	if (member->session != member->pid || member->state == SNAPIMG_MEMBER_ZOMBIE ||
	    member->terminal > snapimg_object_count(image))
		return false;
	object = snapimg_get_object(image) + (member->terminal - 1);
	return object->kind == SNAPIMG_OBJECT_TERMINAL && object->value[SNAPIMG_TERMINAL_END] == 1;
}

/* With a parent that stands before it, and lives. */
static bool sharing_is_valid(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_member *member = snapimg_get_member(image);

	if (member[index].state == SNAPIMG_MEMBER_ZOMBIE || !(member[index].status & SNAPIMG_MEMBER_SHARES))
		return true;
	if (member[index].status & SNAPIMG_MEMBER_SHARES_DESCRIPTORS && member[index].descriptors != 0)
		return false;
	for (uint32_t i = 0; i < index; i++)
		if (member[i].pid == member[index].parent)
			return member[i].state != SNAPIMG_MEMBER_ZOMBIE;
	return false;
}

enum snapimg_error snapimg_rule_member(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_member *member = snapimg_get_member(image) + index;
	bool is_first = index == 0;

	if (snapimg_member_count(image) > SNAPIMG_MEMBERS_MAX || member->pid < 1 || member->pid > INT32_MAX ||
	    member->group > INT32_MAX || member->session > INT32_MAX || !terminal_is_valid(image, member) ||
	    member->descriptors > SNAPIMG_DESCRIPTOR_MAX || is_process(image, index, member->pid) ||
	    !state_is_valid(member) || !sharing_is_valid(image, index) || !place_is_valid(image, index))
		return SNAPIMG_ERR_MEMBER;
	if (is_first ? member->parent != 0 || member->pid != snapimg_get_process(image)->pid ||
	                       member->state == SNAPIMG_MEMBER_ZOMBIE
	             : member->parent != 0 && !is_process(image, index, member->parent))
		return SNAPIMG_ERR_MEMBER;
	return image->header->required_features & SNAPIMG_FEATURE_TREE ? SNAPIMG_OK : SNAPIMG_ERR_MEMBER;
}

uint32_t snapimg_inherited_after(const struct snapimg *image, uint64_t address)
{
	const struct snapimg_inherited *inherited = snapimg_get_inherited(image);
	uint32_t low = 0, high = snapimg_inherited_count(image);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (snapimg_inherited_end(&inherited[middle]) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The one that all of them lie in, or NULL. */
static const struct snapimg_mapping *mapping_of(const struct snapimg *image,
                                                const struct snapimg_inherited *it)
{
	uint32_t index = snapimg_mapping_after(image, it->address);
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image) + index;

	return index < snapimg_mapping_count(image) && mapping->start <= it->address &&
	                       snapimg_inherited_end(it) <= mapping->end
	               ? mapping
	               : NULL;
}

static bool can_be_inherited(const struct snapimg_mapping *mapping)
{
	return (mapping->kind == SNAPIMG_MAPPING_ANONYMOUS || mapping->kind == SNAPIMG_MAPPING_STACK ||
	        mapping->kind == SNAPIMG_MAPPING_FILE) &&
	       !(mapping->flags & (SNAPIMG_MAP_SHARED | SNAPIMG_MAP_EMBEDDED | SNAPIMG_MAP_DROPPABLE)) &&
	       !(mapping->advice & SNAPIMG_ADVICE_WIPEONFORK);
}

static bool overlaps_a_piece(const struct snapimg *image, const struct snapimg_inherited *inherited)
{
	const struct snapimg_piece *piece = snapimg_get_piece(image);
	uint32_t low = 0, high = snapimg_piece_count(image);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (piece[middle].end <= inherited->address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < snapimg_piece_count(image) && piece[low].start < snapimg_inherited_end(inherited);
}

/* Whether the holder has the pages is seen where its image is at hand. */
enum snapimg_error snapimg_rule_inherited(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_inherited *it = snapimg_get_inherited(image) + index;
	const struct snapimg_mapping *mapping = mapping_of(image, it);
	uint64_t features = image->header->required_features;

	if (mapping == NULL || it->pages == 0 || it->address % SNAPIMG_PAGE_SIZE != 0 ||
	    it->offset % SNAPIMG_PAGE_SIZE != 0 || it->member >= SNAPIMG_MEMBERS_MAX ||
	    !(features & SNAPIMG_FEATURE_TREE) || snapimg_member_count(image) > 0 ||
	    !can_be_inherited(mapping) || overlaps_a_piece(image, it) ||
	    (index > 0 && snapimg_inherited_end(&it[-1]) > it->address))
		return SNAPIMG_ERR_INHERITED;
	if (it->offset != 0 &&
	    (mapping->kind == SNAPIMG_MAPPING_STACK || !(features & SNAPIMG_FEATURE_THAWED)))
		return SNAPIMG_ERR_INHERITED;
	return SNAPIMG_OK;
}
