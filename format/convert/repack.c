#include "format/convert/repack.h"

#include <stdlib.h>
#include <string.h>

#include "format/base/array.h"
#include "format/base/compressor.h"
#include "format/base/large.h"
#include "format/convert/decode_into.h"
#include "format/convert/inherited.h"
#include "format/convert/page_data.h"
#include "format/facts/checksum.h"

enum {
	PACKED_PAGES = 64, /* of an extent that is not mapped: as many as snaptrace takes */
	MAPPED_PAGES = SNAPIMG_EXTENT_MAX / SNAPIMG_PAGE_SIZE,
	PAGES_ROOM = 2 * SNAPIMG_EXTENT_MAX, /* for it to be a huge page; half of it is used */
	GAP_IN_EXTENT = 16,                  /* pages; a larger one stays a hole of the file */
	RUNS = 256,                          /* of one extent */
};

struct repacking {
	const struct repack_options *options;
	struct snapimg_writer *writer;
	struct compressor compressor;
	uint8_t *pages;  /* of the extent under way */
	uint8_t *packed; /* its frame */
	size_t packed_room;
	struct snapimg_run run[RUNS];
	uint32_t run_count;
	uint32_t data_pages;
	size_t next_piece;          /* planned, not yet begun */
	struct snapimg_piece piece; /* the extent under way is of it; end 0: of none */
	uint32_t runs_put;          /* in extents before */
	uint32_t from;              /* the old extent, where the bytes go straight into the file */
	struct placed_extents placed;
	struct laid_tree *laid; /* of the processes that were put already, and of this one … */
	uint32_t member;        /* … which is this */
	int number;             /* why they could not be written */
};

/* With the runs under way. */
static enum snapimg_error place(struct repacking *repacking, struct snapimg_extent *extent)
{
	struct placed_extents *all = &repacking->placed;
	struct placed_extent placed = {.from = repacking->from,
	                               .kind = extent->kind,
	                               .raw_size = extent->raw_size,
	                               .stored_size = extent->stored_size,
	                               .run_first = all->run_count,
	                               .run_count = repacking->run_count};
	enum snapimg_error error =
	        snapimg_writer_place_extent(repacking->writer, extent, repacking->run, repacking->run_count);

	placed.offset = extent->offset;
	for (uint32_t i = 0; i < repacking->run_count && error == SNAPIMG_OK; i++) {
		struct snapimg_run *run = array_add(all->run, all->run_count);

		if (run == NULL)
			return SNAPIMG_ERR_MEMORY;
		*run = repacking->run[i];
	}
	struct placed_extent *added = error == SNAPIMG_OK ? array_add(all->extent, all->count) : NULL;
	if (added == NULL)
		return error == SNAPIMG_OK ? SNAPIMG_ERR_MEMORY : error;
	*added = placed;
	return SNAPIMG_OK;
}

static enum snapimg_error put(struct repacking *repacking, struct snapimg_extent *extent,
                              const uint8_t *stored)
{
	repacking->runs_put += repacking->run_count;
	if (repacking->options->into != NULL)
		return place(repacking, extent);
	extent->checksum = snapimg_checksum(stored, extent->stored_size);
	return snapimg_writer_put_extent(repacking->writer, extent, repacking->run, repacking->run_count,
	                                 stored);
}

static enum snapimg_error put_mapped(struct repacking *repacking)
{
	const struct snapimg_piece *piece = &repacking->piece;
	uint64_t start = repacking->run[0].address;
	struct snapimg_extent extent = {
	        .kind = SNAPIMG_EXTENT_MAPPED,
	        .raw_size = repacking->data_pages * SNAPIMG_PAGE_SIZE,
	        .stored_size = (uint32_t)(snapimg_run_end(&repacking->run[repacking->run_count - 1]) - start),
	        .offset = piece->offset + (start - piece->start),
	};

	return put(repacking, &extent, repacking->pages);
}

static enum snapimg_error put_packed(struct repacking *repacking)
{
	uint32_t raw_size = repacking->data_pages * SNAPIMG_PAGE_SIZE;
	struct snapimg_extent extent = {
	        .kind = SNAPIMG_EXTENT_RAW, .raw_size = raw_size, .stored_size = raw_size};
	size_t size;

	if (raw_size == 0)
		extent.kind = SNAPIMG_EXTENT_ZERO;
	if (raw_size == 0 || !repacking->options->compress)
		return put(repacking, &extent, repacking->pages);
	size = compressor_run(&repacking->compressor, repacking->packed, repacking->packed_room,
	                      repacking->pages, raw_size);
	if (size == 0)
		return SNAPIMG_ERR_MEMORY;
	extent.kind = repacking->compressor.codec == CODEC_LZ4 ? SNAPIMG_EXTENT_LZ4 : SNAPIMG_EXTENT_ZSTD;
	extent.stored_size = (uint32_t)size;
	return put(repacking, &extent, repacking->packed);
}

static enum snapimg_error flush(struct repacking *repacking)
{
	enum snapimg_error error = SNAPIMG_OK;

	if (repacking->run_count == 0)
		return SNAPIMG_OK;
	error = repacking->piece.end != 0 ? put_mapped(repacking) : put_packed(repacking);
	repacking->run_count = 0;
	repacking->data_pages = 0;
	return error;
}

static enum snapimg_error end_piece(struct repacking *repacking)
{
	struct snapimg_piece *piece = &repacking->piece;
	enum snapimg_error error = flush(repacking);

	if (error != SNAPIMG_OK || piece->end == 0)
		return error;
	piece->run_count = repacking->runs_put - piece->run_first;
	error = snapimg_writer_add(repacking->writer, SNAPIMG_SECTION_PIECES, piece, sizeof(*piece));
	if (error == SNAPIMG_OK)
		error = laid_add(repacking->laid, repacking->member, piece);
	*piece = (struct snapimg_piece){0};
	return error;
}

static enum snapimg_error begin_piece(struct repacking *repacking)
{
	const struct planned_piece *planned = &repacking->options->plan->piece[repacking->next_piece++];
	enum snapimg_error error = end_piece(repacking);

	repacking->piece = (struct snapimg_piece){
	        .start = planned->start,
	        .end = planned->end,
	        .offset = snapimg_align(snapimg_writer_position(repacking->writer), SNAPIMG_PAGE_SIZE),
	        .mapping = planned->mapping,
	        .run_first = repacking->runs_put,
	};
	return error;
}

/* How many of the run's pages the extent under way can take; 0: it must be put first. */
static uint32_t room_for(const struct repacking *repacking, const struct snapimg_run *run)
{
	uint64_t start = repacking->run_count == 0 ? run->address : repacking->run[0].address;
	uint64_t before = (run->address - start) / SNAPIMG_PAGE_SIZE; /* of a mapped extent */

	if (repacking->run_count == RUNS)
		return 0;
	if (repacking->piece.end == 0)
		return run->kind == SNAPIMG_RUN_DATA ? PACKED_PAGES - repacking->data_pages : UINT32_MAX;
	if (repacking->run_count > 0 &&
	    run->address - snapimg_run_end(&repacking->run[repacking->run_count - 1]) >
	            GAP_IN_EXTENT * SNAPIMG_PAGE_SIZE)
		return 0;
	return before < MAPPED_PAGES ? MAPPED_PAGES - (uint32_t)before : 0;
}

/* Where the pages go that are appended; a gap before them becomes zeros. */
static uint8_t *place_for(struct repacking *repacking, const struct snapimg_run *run)
{
	uint64_t at = (uint64_t)repacking->data_pages * SNAPIMG_PAGE_SIZE, before;

	if (repacking->piece.end == 0 || repacking->run_count == 0)
		return repacking->pages + at;
	before = snapimg_run_end(&repacking->run[repacking->run_count - 1]) - repacking->run[0].address;
	at = run->address - repacking->run[0].address;
	memset(repacking->pages + before, 0, at - before);
	return repacking->pages + at;
}

/* A part of a run that is wholly in the piece, or out of any. */
static enum snapimg_error append(struct repacking *repacking, struct snapimg_run part, const uint8_t *pages)
{
	enum snapimg_error error = SNAPIMG_OK;

	while (part.pages > 0) {
		struct snapimg_run now = part;
		uint32_t room = room_for(repacking, &part);
		size_t size;

		if (room == 0) {
			if ((error = flush(repacking)) != SNAPIMG_OK)
				return error;
			continue;
		}
		now.pages = part.pages < room ? part.pages : room;
		size = (size_t)now.pages * SNAPIMG_PAGE_SIZE;
		if (repacking->options->into != NULL)
			; /* there are no bytes here */
		else if (now.kind == SNAPIMG_RUN_DATA)
			memcpy(place_for(repacking, &now), pages, size);
		else if (repacking->piece.end != 0)
			memset(place_for(repacking, &now), 0, size);
		repacking->run[repacking->run_count++] = now;
		if (now.kind == SNAPIMG_RUN_DATA)
			repacking->data_pages += now.pages;
		if (pages != NULL)
			pages += size;
		part.address += size;
		part.pages -= now.pages;
	}
	return SNAPIMG_OK;
}

/* Cuts a run at the ends of pieces. */
static enum snapimg_error add_run(void *context, const struct snapimg_run *run, const uint8_t *pages)
{
	struct repacking *repacking = context;
	const struct thaw_plan *plan = repacking->options->plan;
	struct snapimg_run left = *run;
	enum snapimg_error error = SNAPIMG_OK;

	while (left.pages > 0 && error == SNAPIMG_OK) {
		uint64_t end = snapimg_run_end(&left);
		const struct planned_piece *next = plan == NULL || repacking->next_piece == plan->count
		                                           ? NULL
		                                           : &plan->piece[repacking->next_piece];
		struct snapimg_run part = left;

		if (repacking->piece.end != 0 && left.address >= repacking->piece.end)
			error = end_piece(repacking);
		if (next != NULL && left.address == next->start && error == SNAPIMG_OK)
			error = begin_piece(repacking);
		else if (next != NULL && next->start < end)
			end = next->start;
		if (repacking->piece.end != 0 && repacking->piece.end < end)
			end = repacking->piece.end;
		part.pages = (uint32_t)((end - left.address) / SNAPIMG_PAGE_SIZE);
		if (error == SNAPIMG_OK)
			error = append(repacking, part, pages);
		left.address = end;
		left.pages -= part.pages;
		if (pages != NULL)
			pages += (size_t)part.pages * SNAPIMG_PAGE_SIZE;
	}
	return error;
}

/* Without frames there is nothing to be set up. */
static bool set_up_compressor(struct repacking *repacking, const struct snapimg *image)
{
	const struct repack_options *options = repacking->options;
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	uint64_t pages = 0;

	for (uint32_t i = 0; i < snapimg_extent_count(image); i++)
		pages += extent[i].raw_size / SNAPIMG_PAGE_SIZE;
	const struct compressor_settings settings = compressor_choose(options->codec, options->level, pages);
	return !options->compress ||
	       compressor_open(&settings, PACKED_PAGES * SNAPIMG_PAGE_SIZE, &repacking->compressor);
}

static enum snapimg_error put_source(struct repacking *repacking, const struct snapimg *image)
{
	struct snapimg_source source;
	enum snapimg_error error;

	if (repacking->options->plan == NULL)
		return SNAPIMG_OK;
	memcpy(source.digest, image->header->digest, sizeof(source.digest));
	if (snapimg_source_count(image) > 0) /* it was thawed already */
		source = *snapimg_get_source(image);
	error = snapimg_writer_add(repacking->writer, SNAPIMG_SECTION_SOURCE, &source, sizeof(source));
	if (error == SNAPIMG_OK && repacking->options->unsynced != NULL)
		error = snapimg_writer_add(repacking->writer, SNAPIMG_SECTION_UNSYNCED,
		                           repacking->options->unsynced, sizeof(struct snapimg_unsynced));
	return error;
}

/* Which process of a tree an image is of. */
struct tree_place {
	struct laid_tree *laid;
	uint32_t member;
};

static enum snapimg_error repack_into(struct snapimg_writer *writer, struct page_data *data,
                                      const struct repack_options *options, struct tree_place place,
                                      uint64_t *ret_size, uint8_t digest[SNAPIMG_DIGEST_SIZE],
                                      int *ret_number);

/* With a plan, if the others have one. */
static enum snapimg_error repack_member(const struct repacking *repacking, struct snapimg *image,
                                        uint32_t index, struct snapimg_writer *writer,
                                        struct snapimg_member *member)
{
	struct repack_options options = *repacking->options;
	struct thaw_plan plan = {0};
	struct page_data data;
	enum snapimg_error error = page_data_open(&data, image);

	if (error == SNAPIMG_OK && options.plan != NULL)
		error = thaw_plan_make(image, &plan);
	options.plan = options.plan != NULL ? &plan : NULL;
	options.unsynced = NULL; /* the whole has it */
	if (error == SNAPIMG_OK)
		error = repack_into(writer, &data, &options, (struct tree_place){repacking->laid, index},
		                    &member->size, member->digest, NULL);
	thaw_plan_free(&plan);
	page_data_close(&data);
	return error;
}

static enum snapimg_error put_member(struct repacking *repacking, const struct snapimg *image, uint32_t index,
                                     struct snapimg_member *member)
{
	struct snapimg_part part;
	struct snapimg_writer *writer;
	struct snapimg own;
	enum snapimg_error error = snapimg_open_member(image, member, &own);

	if (error != SNAPIMG_OK)
		return error;
	if ((writer = snapimg_writer_begin_member(repacking->writer, &part)) == NULL)
		return SNAPIMG_ERR_MEMORY;
	member->offset = part.offset;
	repacking->laid->of[index].offset = part.offset;
	error = repack_member(repacking, &own, index, writer, member);
	snapimg_writer_free(writer);
	snapimg_writer_end_member(repacking->writer, &part, member->size);
	return error;
}

/* The images of a tree's other processes. */
static enum snapimg_error put_members(struct repacking *repacking, const struct snapimg *image)
{
	uint32_t count = snapimg_member_count(image);
	enum snapimg_error error = SNAPIMG_OK;

	snapimg_writer_clear(repacking->writer, SNAPIMG_SECTION_TREE);
	for (uint32_t i = 0; i < count && error == SNAPIMG_OK; i++) {
		struct snapimg_member member = snapimg_get_member(image)[i];

		if (member.offset != 0)
			error = put_member(repacking, image, i, &member);
		if (error == SNAPIMG_OK)
			error = snapimg_writer_add(repacking->writer, SNAPIMG_SECTION_TREE, &member,
			                           sizeof(member));
	}
	return error;
}

bool repack_can_decode_into(const struct snapimg *image)
{
	return snapimg_member_count(image) == 0 &&
	       (image->header->required_features & SNAPIMG_FEATURE_THAWED) == 0;
}

/* First where all of it lies, then what is there. An extent never has pages of two old ones, so that each is
 * complete when its old one is decoded. */
static enum snapimg_error put_straight(const struct snapimg *image, struct repacking *repacking)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	const struct snapimg_run *run = snapimg_get_run(image);
	enum snapimg_error error = SNAPIMG_OK;

	for (uint32_t i = 0; i < snapimg_extent_count(image) && error == SNAPIMG_OK; i++) {
		repacking->from = i;
		for (uint32_t j = 0; j < extent[i].run_count && error == SNAPIMG_OK; j++)
			error = add_run(repacking, &run[extent[i].run_first + j], NULL);
		if (error == SNAPIMG_OK)
			error = flush(repacking);
	}
	if (error == SNAPIMG_OK)
		error = end_piece(repacking);
	if (error == SNAPIMG_OK)
		error = decode_into(repacking->options->into, &repacking->placed, &repacking->number);
	for (size_t i = 0; i < repacking->placed.count && error == SNAPIMG_OK; i++)
		if (repacking->placed.extent[i].kind != SNAPIMG_EXTENT_ZERO)
			snapimg_writer_set_checksum(repacking->writer, i,
			                            repacking->placed.extent[i].checksum);
	return error;
}

static enum snapimg_error put_through(struct page_data *data, struct repacking *repacking)
{
	enum snapimg_error error = page_data_visit(data, add_run, repacking);

	return error == SNAPIMG_OK ? end_piece(repacking) : error;
}

static bool may_map(void *context, const struct snapimg_mapping *mapping)
{
	const struct repacking *repacking = context;

	return repacking->options->plan != NULL && thaw_plan_allows(repacking->options->plan, mapping);
}

static enum snapimg_error put_all(struct page_data *data, struct repacking *repacking)
{
	const struct snapimg *image = data->image;
	enum snapimg_error error = snapimg_writer_copy_records(repacking->writer, image);

	if (error == SNAPIMG_OK)
		error = repacking->options->into != NULL ? put_straight(data->image, repacking)
		                                         : put_through(data, repacking);
	if (error == SNAPIMG_OK)
		error = inherited_lay(image, repacking->laid, may_map, repacking, repacking->writer);
	if (error == SNAPIMG_OK)
		error = put_members(repacking, image);
	return error == SNAPIMG_OK ? put_source(repacking, image) : error;
}

static enum snapimg_error repack_into(struct snapimg_writer *writer, struct page_data *data,
                                      const struct repack_options *options, struct tree_place place,
                                      uint64_t *ret_size, uint8_t digest[SNAPIMG_DIGEST_SIZE],
                                      int *ret_number)
{
	struct repacking *repacking = calloc(1, sizeof(*repacking));
	enum snapimg_error error = SNAPIMG_ERR_MEMORY;

	if (repacking == NULL)
		return error;
	repacking->options = options;
	repacking->laid = place.laid;
	repacking->member = place.member;
	repacking->packed_room = compressor_bound(PACKED_PAGES * SNAPIMG_PAGE_SIZE);
	repacking->writer = writer;
	repacking->pages = large_new(PAGES_ROOM);
	repacking->packed = malloc(repacking->packed_room);
	if (repacking->pages != NULL && repacking->packed != NULL &&
	    set_up_compressor(repacking, data->image))
		error = put_all(data, repacking);
	if (error == SNAPIMG_OK)
		error = snapimg_writer_finish(repacking->writer, ret_size, digest);
	if (ret_number != NULL)
		*ret_number = repacking->number;
	placed_extents_free(&repacking->placed);
	compressor_close(&repacking->compressor);
	large_free(repacking->pages, PAGES_ROOM);
	free(repacking->packed);
	free(repacking);
	return error;
}

enum snapimg_error repack(struct page_data *data, const struct repack_options *options, snapimg_sink *sink,
                          void *context, int *ret_number)
{
	struct snapimg_writer *writer = snapimg_writer_new(sink, context);
	struct laid_tree laid = {0};
	enum snapimg_error error = laid_begin(&laid, snapimg_member_count(data->image));

	if (writer == NULL)
		error = SNAPIMG_ERR_MEMORY;
	if (error == SNAPIMG_OK)
		error = repack_into(writer, data, options, (struct tree_place){&laid, 0}, NULL, NULL,
		                    ret_number);
	laid_free(&laid);
	snapimg_writer_free(writer);
	return error;
}
