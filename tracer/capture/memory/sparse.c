#include "tracer/capture/memory/sparse.h"

#include <sys/mman.h>

#include "format/image/layout.h"

static const uint64_t worth_cutting = 64ull << 30, least_piece = 4ull << 30;
enum { PIECES = 4096 }; /* vm.max_map_count is 65530, if nobody changed it */

/* False where not even that can be asked; then nothing has changed. */
static enum status cut(const struct vma *vma, uint64_t piece, int advice, const struct adviser *adviser,
                       bool *ret_cut)
{
	enum status status = STATUS_OK;
	int64_t result = 0;

	*ret_cut = false;
	for (uint64_t at = vma->start + piece; at < vma->end && status == STATUS_OK && result == 0;
	     at += 2 * piece) {
		uint64_t size = piece < vma->end - at ? piece : vma->end - at;
		status = adviser->advise(adviser->context, at, size, advice, &result);
		*ret_cut = *ret_cut || result == 0;
	}
	return status;
}

static enum status walk_pieces(const struct pages *pages, pid_t pid, const struct vma *vma,
                               pages_visitor *visit, void *context)
{
	struct maps maps;
	enum status status = maps_read(pid, &maps);

	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < maps.count && status == STATUS_OK; i++) {
		struct vma piece = maps.vma[i]; /* neighbours may have joined */
		piece.start = piece.start < vma->start ? vma->start : piece.start;
		piece.end = piece.end > vma->end ? vma->end : piece.end;
		if (piece.start < piece.end)
			status = pages_walk(pages, &piece, false, visit, context);
	}
	maps_free(&maps);
	return status;
}

enum status sparse_walk(const struct pages *pages, pid_t pid, const struct vma *vma,
                        const struct adviser *adviser, pages_visitor *visit, void *context)
{
	bool is_dumped = !vma_has(vma, "dd"), was_cut;
	uint64_t size = vma->end - vma->start, piece = size / PIECES / SNAPIMG_PAGE_SIZE * SNAPIMG_PAGE_SIZE;
	enum status status, joined;
	int64_t result;

	if (pages->by_scan || size < worth_cutting || vma->rss + vma->swap == 0)
		return pages_walk(pages, vma, false, visit, context);
	piece = piece < least_piece ? least_piece : piece;
	status = cut(vma, piece, is_dumped ? MADV_DONTDUMP : MADV_DODUMP, adviser, &was_cut);
	if (status == STATUS_OK)
		status = walk_pieces(pages, pid, vma, visit, context);
	if (!was_cut)
		return status;
	joined = adviser->advise(adviser->context, vma->start, size, is_dumped ? MADV_DODUMP : MADV_DONTDUMP,
	                         &result);
	return status == STATUS_OK ? joined : status;
}
