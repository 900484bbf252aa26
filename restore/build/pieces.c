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
	return told.count * (sizeof(struct snap_mapped_range) + sizeof(uint32_t)) +
	       (told.pages + BITS - 1) / BITS * sizeof(uint64_t);
}

/* Of what the shim gives to anonymous memory that takes the range's place, by the numbers of madvise(2). */
static uint32_t advice_of(const struct snapimg_mapping *mapping, const struct snap_mapped_range *range)
{
	uint32_t advice = 0;
	if (mapping == NULL || range->end > mapping->end)
		return SNAP_MAPPED_UNKNOWN;
#define X(name, bit, letters, number)                                                                        \
	if ((mapping->advice & SNAPIMG_ADVICE_##name) != 0 && (number) != 0)                                 \
		advice |= 1u << (number);
	SNAPIMG_ADVICE(X)
#undef X
	return advice;
}

/* Both are in the order of their addresses. Returns whether any range has some. */
static bool write_advice(const struct snap_mapped_range *range, uint32_t count, uint32_t *ret_advice)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	uint32_t mappings = snapimg_mapping_count(&loader.image), at = 0, all = 0;
	for (uint32_t i = 0; i < count; i++) {
		while (at < mappings && mapping[at].end <= range[i].start)
			at++;
		bool is_in = at < mappings && mapping[at].start <= range[i].start;
		ret_advice[i] = advice_of(is_in ? &mapping[at] : NULL, &range[i]);
		all |= ret_advice[i];
	}
	return all != 0;
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
	uint32_t *advice = (uint32_t *)&mapped->settled[(pages + BITS - 1) / BITS];
	if (!is_first)
		mapped->advised = write_advice(range, count, advice) ? (uint64_t)advice : 0;
}
