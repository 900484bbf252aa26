#include "format/convert/inherited.h"

#include <stdlib.h>

#include "format/base/array.h"

enum {
	WORTH_MAPPING = 2, /* pages: thaw_plan.c */
	MAPPED_MAX = 2048, /* of one process: more of them are copied if they are small */
	WORTH_MOST = 1 << 16,
};

enum snapimg_error laid_begin(struct laid_tree *tree, uint32_t count)
{
	tree->of = calloc((size_t)count + 1, sizeof(*tree->of));
	tree->count = count;
	return tree->of != NULL ? SNAPIMG_OK : SNAPIMG_ERR_MEMORY;
}

enum snapimg_error laid_add(struct laid_tree *tree, uint32_t member, const struct snapimg_piece *piece)
{
	struct laid_pieces *of = member < tree->count ? &tree->of[member] : NULL;
	struct snapimg_piece *added = of != NULL ? array_add(of->piece, of->count) : NULL;

	if (of == NULL)
		return SNAPIMG_OK; /* no tree */
	if (added == NULL)
		return SNAPIMG_ERR_MEMORY;
	*added = *piece;
	return SNAPIMG_OK;
}

void laid_free(struct laid_tree *tree)
{
	for (uint32_t i = 0; i < tree->count && tree->of != NULL; i++)
		free(tree->of[i].piece);
	free(tree->of);
	*tree = (struct laid_tree){0};
}

/* The first that ends past the address; `end`: none. */
static const struct snapimg_piece *piece_after(const struct snapimg_piece *piece, size_t count,
                                               uint64_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (piece[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count ? piece + low : NULL;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct laying {
	const struct laid_tree *tree;
	struct snapimg_writer *writer;
	uint64_t worth; /* pages that are mapped at least */
	uint64_t mapped;
};

/* Pages of one mapping, which may be mapped, or not. */
static enum snapimg_error lay(struct laying *laying, struct snapimg_inherited left, bool may_map)
{
	const struct laid_pieces *pieces =
	        left.member < laying->tree->count ? &laying->tree->of[left.member] : NULL;
	uint64_t at = left.address, end = snapimg_inherited_end(&left), copied = at;
	enum snapimg_error error = SNAPIMG_OK;

	while (copied < end && error == SNAPIMG_OK) {
		const struct snapimg_piece *piece = may_map && pieces != NULL && at < end
		                                            ? piece_after(pieces->piece, pieces->count, at)
		                                            : NULL;
		uint64_t from = piece == NULL ? end : lower(piece->start > at ? piece->start : at, end);
		uint64_t until = piece == NULL ? end : lower(piece->end, end);

		at = until;
		if (from < end && (until - from) / SNAPIMG_PAGE_SIZE < laying->worth)
			continue; /* with what comes next */
		if (copied < from) {
			const struct snapimg_inherited record = {
			        copied, 0, (uint32_t)((from - copied) / SNAPIMG_PAGE_SIZE), left.member};
			error = snapimg_writer_add(laying->writer, SNAPIMG_SECTION_INHERITED, &record,
			                           sizeof(record));
		}
		if (from < end && error == SNAPIMG_OK) {
			const struct snapimg_inherited record = {
			        from, pieces->offset + piece->offset + (from - piece->start),
			        (uint32_t)((until - from) / SNAPIMG_PAGE_SIZE), left.member};
			error = snapimg_writer_add(laying->writer, SNAPIMG_SECTION_INHERITED, &record,
			                           sizeof(record));
			laying->mapped++;
		}
		copied = until;
	}
	return error;
}

/* Whether the second one goes on where the first ends: they were cut at a piece. */
static bool follows(const struct snapimg_mapping *mapping, const struct snapimg_inherited *first,
                    const struct snapimg_inherited *second)
{
	return snapimg_inherited_end(first) == second->address && first->member == second->member &&
	       second->address < mapping->end;
}

static enum snapimg_error lay_all(const struct snapimg *image, struct laying *laying,
                                  inherited_judge *may_map, void *context)
{
	const struct snapimg_inherited *it = snapimg_get_inherited(image);
	uint32_t count = snapimg_inherited_count(image);
	enum snapimg_error error = SNAPIMG_OK;

	snapimg_writer_clear(laying->writer, SNAPIMG_SECTION_INHERITED);
	laying->mapped = 0;
	for (uint32_t i = 0; i < count && error == SNAPIMG_OK; i++) {
		const struct snapimg_mapping *mapping =
		        snapimg_get_mapping(image) + snapimg_mapping_after(image, it[i].address);
		struct snapimg_inherited whole = it[i];

		while (i + 1 < count && follows(mapping, &whole, &it[i + 1]))
			whole.pages += it[++i].pages;
		error = lay(laying, whole, may_map(context, mapping));
	}
	return error;
}

enum snapimg_error inherited_lay(const struct snapimg *image, const struct laid_tree *tree,
                                 inherited_judge *may_map, void *context, struct snapimg_writer *writer)
{
	struct laying laying = {.tree = tree, .writer = writer, .worth = WORTH_MAPPING};
	enum snapimg_error error = lay_all(image, &laying, may_map, context);

	while (error == SNAPIMG_OK && laying.mapped > MAPPED_MAX && laying.worth < WORTH_MOST) {
		laying.worth *= 2;
		error = lay_all(image, &laying, may_map, context);
	}
	return error;
}

/* Runs of pages that follow each other may be cut anywhere. */
static bool has_data(const struct snapimg *holder, uint64_t start, uint64_t end)
{
	const struct snapimg_run *run = snapimg_get_run(holder);
	uint32_t low = 0, high = snapimg_run_count(holder);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (snapimg_run_end(&run[middle]) <= start)
			low = middle + 1;
		else
			high = middle;
	}
	for (; start < end; start = snapimg_run_end(&run[low++]))
		if (low >= snapimg_run_count(holder) || run[low].address > start ||
		    run[low].kind != SNAPIMG_RUN_DATA)
			return false;
	return true;
}

bool inherited_is_there(const struct snapimg *tree, const struct snapimg *holder,
                        const struct snapimg_inherited *inherited)
{
	uint64_t start = inherited->address, end = snapimg_inherited_end(inherited);
	const struct snapimg_piece *piece =
	        piece_after(snapimg_get_piece(holder), snapimg_piece_count(holder), start);

	if (!has_data(holder, start, end))
		return false;
	return inherited->offset == 0 ||
	       (piece != NULL && piece->start <= start && end <= piece->end &&
	        inherited->offset ==
	                (uint64_t)(holder->base - tree->base) + piece->offset + (start - piece->start));
}
