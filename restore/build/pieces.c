/*
 * Tells the shim which memory is mapped from the image, so that it can make
 * right what the program asks of the kernel for it (preload/shim/mapped.c). The
 * table lies after the arguments, where it stays.
 */
#include "preload/contract.h"
#include "restore/base/message.h"
#include "restore/loader.h"

enum { BITS = 64 };

static bool is_told(void)
{
	return snapimg_piece_count(&loader.image) > 0 && snapimg_shim_count(&loader.image) > 0;
}

static uint64_t count_pages(void)
{
	const struct snapimg_piece *piece = snapimg_get_piece(&loader.image);
	uint64_t pages = 0;
	for (uint32_t i = 0; i < snapimg_piece_count(&loader.image); i++)
		pages += (piece[i].end - piece[i].start) / SNAPIMG_PAGE_SIZE;
	return pages;
}

uint64_t pieces_table_size(void)
{
	if (!is_told())
		return 0;
	return snapimg_piece_count(&loader.image) * sizeof(struct snap_mapped_range) +
	       (count_pages() + BITS - 1) / BITS * sizeof(uint64_t);
}

static bool is_advised(void)
{
	const struct snapimg_piece *piece = snapimg_get_piece(&loader.image);
	for (uint32_t i = 0; i < snapimg_piece_count(&loader.image); i++)
		if (snapimg_get_mapping(&loader.image)[piece[i].mapping].advice != 0)
			return true;
	return false;
}

/* The bits after the ranges are zero already. */
void pieces_tell_shim(void)
{
	const struct snapimg_piece *piece = snapimg_get_piece(&loader.image);
	const struct snapimg_shim *shim = snapimg_get_shim(&loader.image);
	if (!is_told())
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
	mapped->count = snapimg_piece_count(&loader.image);
	for (uint32_t i = 0; i < mapped->count; i++) {
		range[i] = (struct snap_mapped_range){piece[i].start, piece[i].end,
		                                      loader.image_offset + piece[i].offset, pages};
		pages += (piece[i].end - piece[i].start) / SNAPIMG_PAGE_SIZE;
	}
	mapped->settled = (uint64_t *)&range[mapped->count];
	if (!is_first)
		mapped->advised = is_advised();
}
