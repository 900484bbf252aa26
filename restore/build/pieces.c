/*
 * Tells the shim which memory is mapped from the image, so that it can make
 * right what the program asks of the kernel for it (preload/shim/mapped.c). The
 * table lies after the arguments, where it stays.
 */
#include "preload/contract.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/build/inherited.h"
#include "restore/loader.h"

enum { BITS = 64 };

/* What was mapped from a file before is no less so now: who gives it back gets its bytes again. */
static bool was_of_file(const struct snapimg_piece *piece)
{
	return (snapimg_get_mapping(&loader.image)[piece->mapping].flags & SNAPIMG_MAP_EMBEDDED) != 0;
}

/* The shim goes by the kernel's list of mappings (preload/shim/process_maps.c). Where this process has a
 * number, its list can be read; to ask for the list itself has the kernel make the directory first, for 9 us.
 */
bool pieces_can_be_told(void)
{
	static enum { UNKNOWN, YES, NO } answer;
	char number[16];
	if (answer == UNKNOWN)
		answer = sys(__NR_readlink, "/proc/self", number, sizeof number) > 0 ? YES : NO;
	return answer == YES;
}

/* What is mapped of the image, by address: pieces, and what the process has of another one's. */
struct walk {
	uint32_t piece, inherited;
};

static bool next_piece(struct walk *walk, struct snap_mapped_range *ret_range)
{
	const struct snapimg_piece *piece = snapimg_get_piece(&loader.image);
	const struct snapimg_inherited *inherited = snapimg_get_inherited(&loader.image);
	while (walk->piece < snapimg_piece_count(&loader.image) && was_of_file(&piece[walk->piece]))
		walk->piece++;
	while (walk->inherited < snapimg_inherited_count(&loader.image) &&
	       !inherited_is_mapped(&inherited[walk->inherited]))
		walk->inherited++;
	piece = walk->piece < snapimg_piece_count(&loader.image) ? &piece[walk->piece] : NULL;
	inherited =
	        walk->inherited < snapimg_inherited_count(&loader.image) ? &inherited[walk->inherited] : NULL;
	if (piece != NULL && (inherited == NULL || piece->start < inherited->address)) {
		*ret_range = (struct snap_mapped_range){piece->start, piece->end,
		                                        loader.image_offset + piece->offset, 0};
		walk->piece++;
		return true;
	}
	if (inherited == NULL)
		return false;
	*ret_range = (struct snap_mapped_range){inherited->address, snapimg_inherited_end(inherited),
	                                        loader.tree.offset + inherited->offset, 0};
	walk->inherited++;
	return true;
}

struct told {
	uint64_t count, pages;
};

static struct told count_told(void)
{
	struct walk walk = {0, 0};
	struct snap_mapped_range range;
	struct told told = {0, 0};
	if ((snapimg_piece_count(&loader.image) == 0 && snapimg_inherited_count(&loader.image) == 0) ||
	    !pieces_can_be_told())
		return told;
	while (next_piece(&walk, &range)) {
		told.count++;
		told.pages += (range.end - range.start) / SNAPIMG_PAGE_SIZE;
	}
	return told;
}

uint64_t pieces_table_size(void)
{
	if (snapimg_shim_count(&loader.image) == 0)
		return 0;
	struct told told = count_told();
	return told.count * sizeof(struct snap_mapped_range) +
	       (told.pages + BITS - 1) / BITS * sizeof(uint64_t);
}

static bool is_advised(void)
{
	const struct snapimg_piece *piece = snapimg_get_piece(&loader.image);
	for (uint32_t i = 0; i < snapimg_piece_count(&loader.image); i++)
		if (snapimg_get_mapping(&loader.image)[piece[i].mapping].advice != 0)
			return true;
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if (snapimg_get_mapping(&loader.image)[i].advice != 0 &&
		    inherited_has(&snapimg_get_mapping(&loader.image)[i]))
			return true;
	return false;
}

/* The bits after the ranges are zero already. */
void pieces_tell_shim(void)
{
	const struct snapimg_shim *shim = snapimg_get_shim(&loader.image);
	if (snapimg_shim_count(&loader.image) == 0 || count_told().count == 0)
		return;
	struct snap_mapped *mapped = (struct snap_mapped *)shim->address;
	bool is_first = shim->version == 1 && shim->size == SNAP_MAPPED_SIZE_1;
	if ((!is_first && (shim->version != SNAP_MAPPED_VERSION || shim->size != sizeof *mapped)) ||
	    !process_can_write(shim->address, shim->size))
		die(EXIT_REFUSED, loader.options.image,
		    ": made by another version of snaptrace: freeze the program again");
	struct snap_mapped_range *range = (void *)(loader.area.start + loader.area.mapped);
	uint64_t pages = 0;
	mapped->range = range;
	uint32_t count = 0;
	for (struct walk walk = {0, 0}; next_piece(&walk, &range[count]); count++) {
		range[count].first_page = pages;
		pages += (range[count].end - range[count].start) / SNAPIMG_PAGE_SIZE;
	}
	mapped->count = count;
	mapped->settled = (uint64_t *)&range[mapped->count];
	if (!is_first)
		mapped->advised = is_advised();
}
