/*
 * A piece costs a system call (1.3 us, measured on a Linux 6.18) and a fault
 * for each page that is touched (0.9 us to read, 1.8 us to write); a page that
 * is copied costs 1.7 us, touched or not. So pieces of a single page are not
 * worth it, unless they are a whole mapping, which costs a call anyway; and
 * gaps (pages that are in no run: zero) are bridged in anonymous memory, where
 * they are holes of the thawed file. Where memory is so scattered that pieces
 * would be too many, only larger ones are made: a process may have 65,530
 * mappings (vm.max_map_count), and most of them must stay for the program.
 */
#include "format/convert/thaw_plan.h"

#include <stdlib.h>

#include "format/base/array.h"
#include "format/convert/raw_calls.h"

enum {
	WORTH_A_PIECE = 2, /* pages of runs */
	GAP_MAX = 256,     /* pages that are bridged */
	PIECES_MAX = 2048,
	WORTH_MOST = 1 << 16, /* what is more then are whole mappings */
};

struct planning {
	struct snapimg *image;
	struct thaw_plan *plan;
	uint32_t mapping; /* that is planned */
	uint64_t worth;   /* WORTH_A_PIECE, or more */
	/* While pieces are made: */
	struct planned_piece open; /* its end grows; end 0: none is open */
	uint64_t open_pages;
	size_t kept; /* ranges below lie before what is looked at */
};

static enum snapimg_error add_range(struct address_ranges *ranges, uint64_t start, uint64_t end)
{
	struct address_range *range = array_add(ranges->range, ranges->count);

	if (range == NULL)
		return SNAPIMG_ERR_MEMORY;
	*range = (struct address_range){start, end};
	return SNAPIMG_OK;
}

/* Of an executable or a library, whose data nobody gives back to the kernel piecewise. */
static bool is_of_program(const struct snapimg *image, const struct snapimg_mapping *mapping)
{
	const struct snapimg_mapping *other = snapimg_get_mapping(image);
	uint32_t i;

	if (snapimg_get_file(image)[mapping->file - 1].build_id_size > 0)
		return true;
	for (i = 0; i < snapimg_mapping_count(image); i++)
		if (other[i].file == mapping->file && other[i].protection & SNAPIMG_PROT_EXEC)
			return true;
	return false;
}

static bool is_watched(const struct snapimg *image)
{
	return snapimg_shim_count(image) > 0 && snapimg_get_shim(image)->version == SNAPIMG_SHIM_VERSION &&
	       !has_raw_calls(image);
}

/* The code of the shim, which is in each image that was made with it, and which nobody writes to. */
static bool is_of_shim(const struct snapimg *image, const struct snapimg_mapping *mapping)
{
	const struct snapimg_mapping *all = snapimg_get_mapping(image);
	uint64_t table = snapimg_get_shim(image)->address;
	uint32_t i = 0;

	while (i < snapimg_mapping_count(image) && all[i].end <= table)
		i++;
	return i < snapimg_mapping_count(image) && mapping->name != 0 && mapping->name == all[i].name &&
	       !(mapping->protection & SNAPIMG_PROT_WRITE);
}

/* No executable memory: who compiles code makes it writable and executable again, which may fail for what is
 * mapped (a filesystem that is mounted noexec, SELinux); but what was mapped from a file before, and the
 * shim's, which the loader copies where it can't be mapped. And none with advice that only anonymous memory
 * can have. */
static bool may_be_mapped(const struct snapimg *image, bool is_watched, const struct snapimg_mapping *mapping)
{
	const uint32_t refused = SNAPIMG_ADVICE_WIPEONFORK | SNAPIMG_ADVICE_MERGEABLE |
	                         SNAPIMG_ADVICE_HUGEPAGE | SNAPIMG_ADVICE_LOCKED;

	if (mapping->flags & SNAPIMG_MAP_SHARED || mapping->advice & refused)
		return false;
	if (mapping->flags & SNAPIMG_MAP_EMBEDDED)
		return true;
	if (mapping->protection & SNAPIMG_PROT_EXEC && !(is_watched && is_of_shim(image, mapping)))
		return false;
	if (mapping->kind == SNAPIMG_MAPPING_ANONYMOUS)
		return is_watched;
	return mapping->kind == SNAPIMG_MAPPING_FILE && is_of_program(image, mapping);
}

/* Before Linux 6.15 only anonymous memory can have guard pages (mm/madvise.c). */
static enum snapimg_error keep_guards(const struct snapimg *image, struct thaw_plan *plan)
{
	const struct snapimg_guard *guard = snapimg_get_guard(image);
	enum snapimg_error error = SNAPIMG_OK;
	uint32_t i;

	for (i = 0; i < snapimg_guard_count(image) && error == SNAPIMG_OK; i++)
		error = add_range(&plan->kept, guard[i].address,
		                  guard[i].address + guard[i].pages * SNAPIMG_PAGE_SIZE);
	return error;
}

/* What an earlier process has is put there first, and this one's own pages over it. */
static enum snapimg_error keep_inherited(const struct snapimg *image, struct thaw_plan *plan)
{
	const struct snapimg_inherited *inherited = snapimg_get_inherited(image);
	enum snapimg_error error = SNAPIMG_OK;
	uint32_t i;

	for (i = 0; i < snapimg_inherited_count(image) && error == SNAPIMG_OK; i++)
		error = add_range(&plan->kept, inherited[i].address, snapimg_inherited_end(&inherited[i]));
	return error;
}

static int by_start(const void *a, const void *b)
{
	const struct address_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Sorted and disjoint. */
static void put_in_order(struct address_ranges *ranges)
{
	size_t i, last = 0;

	if (ranges->count == 0)
		return;
	qsort(ranges->range, ranges->count, sizeof(*ranges->range), by_start);
	for (i = 1; i < ranges->count; i++) {
		if (ranges->range[i].start > ranges->range[last].end)
			ranges->range[++last] = ranges->range[i];
		else if (ranges->range[i].end > ranges->range[last].end)
			ranges->range[last].end = ranges->range[i].end;
	}
	ranges->count = last + 1;
}

static bool is_worth_it(const struct planning *planning)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(planning->image) + planning->open.mapping;

	return planning->open_pages >= planning->worth ||
	       (planning->open.start == mapping->start && planning->open.end == mapping->end);
}

static enum snapimg_error close_piece(struct planning *planning)
{
	struct thaw_plan *plan = planning->plan;

	if (planning->open.end != 0 && is_worth_it(planning)) {
		struct planned_piece *piece = array_add(plan->piece, plan->count);

		if (piece == NULL)
			return SNAPIMG_ERR_MEMORY;
		*piece = planning->open;
	}
	planning->open = (struct planned_piece){0};
	planning->open_pages = 0;
	return SNAPIMG_OK;
}

/* [start, end): pages of a run that may be mapped. */
static enum snapimg_error extend(struct planning *planning, uint64_t start, uint64_t end, uint64_t gap_max)
{
	enum snapimg_error error = SNAPIMG_OK;

	if (planning->open.end != 0 && start - planning->open.end > gap_max)
		error = close_piece(planning);
	if (planning->open.end == 0)
		planning->open = (struct planned_piece){.start = start, .mapping = planning->mapping};
	planning->open.end = end;
	planning->open_pages += (end - start) / SNAPIMG_PAGE_SIZE;
	return error;
}

/* Goes on to the kept range that ends past the address. None that is passed lies in an open piece. */
static enum snapimg_error pass_kept(struct planning *planning, uint64_t address)
{
	const struct address_ranges *kept = &planning->plan->kept;
	enum snapimg_error error = SNAPIMG_OK;

	while (planning->kept < kept->count && kept->range[planning->kept].end <= address) {
		if (kept->range[planning->kept].start >= planning->open.end && error == SNAPIMG_OK)
			error = close_piece(planning);
		planning->kept++;
	}
	return error;
}

/* A run without what is kept. */
static enum snapimg_error plan_run(struct planning *planning, const struct snapimg_run *run, uint64_t gap_max)
{
	const struct address_ranges *kept = &planning->plan->kept;
	uint64_t at = run->address, run_end = snapimg_run_end(run);
	enum snapimg_error error = SNAPIMG_OK;

	while (at < run_end && error == SNAPIMG_OK) {
		if ((error = pass_kept(planning, at)) != SNAPIMG_OK)
			return error;
		uint64_t start = run_end, end = run_end; /* of what is kept next */
		if (planning->kept < kept->count && kept->range[planning->kept].start < run_end) {
			start = kept->range[planning->kept].start > at ? kept->range[planning->kept].start
			                                               : at;
			end = kept->range[planning->kept].end;
		}
		if (at < start)
			error = extend(planning, at, start, gap_max);
		if (start < end && error == SNAPIMG_OK)
			error = close_piece(planning);
		at = end;
	}
	return error;
}

static enum snapimg_error plan_mapping(struct planning *planning, uint32_t index)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(planning->image) + index;
	const struct snapimg_run *run = snapimg_get_run(planning->image) + mapping->run_first;
	bool of_file = mapping->kind == SNAPIMG_MAPPING_FILE && !(mapping->flags & SNAPIMG_MAP_EMBEDDED);
	uint64_t gap_max = of_file ? 0 : GAP_MAX * SNAPIMG_PAGE_SIZE;
	enum snapimg_error error = SNAPIMG_OK;
	uint32_t i;

	if (mapping->run_count == 0 || !may_be_mapped(planning->image, planning->plan->is_watched, mapping))
		return SNAPIMG_OK;
	planning->mapping = index;
	for (i = 0; i < mapping->run_count && error == SNAPIMG_OK; i++)
		error = plan_run(planning, &run[i], gap_max);
	return error == SNAPIMG_OK ? close_piece(planning) : error;
}

static enum snapimg_error plan_all(struct planning *planning)
{
	enum snapimg_error error = SNAPIMG_OK;
	uint32_t i;

	planning->plan->count = 0;
	planning->kept = 0;
	for (i = 0; i < snapimg_mapping_count(planning->image) && error == SNAPIMG_OK; i++)
		error = plan_mapping(planning, i);
	return error;
}

enum snapimg_error thaw_plan_make(struct snapimg *image, struct thaw_plan *ret_plan)
{
	struct thaw_plan plan = {.image = image, .is_watched = is_watched(image)};
	struct planning planning = {.image = image, .plan = &plan};
	enum snapimg_error error = keep_guards(image, &plan);

	if (error == SNAPIMG_OK)
		error = keep_inherited(image, &plan);
	put_in_order(&plan.kept);
	planning.worth = WORTH_A_PIECE;
	if (error == SNAPIMG_OK)
		error = plan_all(&planning);
	while (error == SNAPIMG_OK && plan.count > PIECES_MAX && planning.worth < WORTH_MOST) {
		planning.worth *= 2;
		error = plan_all(&planning);
	}
	if (error == SNAPIMG_OK)
		*ret_plan = plan;
	else
		thaw_plan_free(&plan);
	return error;
}

bool thaw_plan_allows(const struct thaw_plan *plan, const struct snapimg_mapping *mapping)
{
	return may_be_mapped(plan->image, plan->is_watched, mapping);
}

void thaw_plan_free(struct thaw_plan *plan)
{
	free(plan->piece);
	free(plan->kept.range);
	*plan = (struct thaw_plan){0};
}
