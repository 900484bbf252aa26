#include "tracer/hot/ranges.h"

#include <stdlib.h>

#include "format/base/array.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

enum status ranges_append(struct ranges *ranges, uint64_t start, uint64_t end)
{
	struct range *range = array_add(ranges->range, ranges->count);

	if (!range)
		return fail(STATUS_FAILED, "out of memory");
	*range = (struct range){start, end};
	return STATUS_OK;
}

enum status ranges_add(struct ranges *ranges, uint64_t start, uint64_t end, uint64_t gap)
{
	struct range *last = ranges->count ? &ranges->range[ranges->count - 1] : NULL;

	if (!last || start > last->end + gap)
		return ranges_append(ranges, start, end);
	last->end = MAX(last->end, end);
	return STATUS_OK;
}

void ranges_free(struct ranges *ranges)
{
	free(ranges->range);
	*ranges = (struct ranges){0};
}

enum status ranges_intersect(const struct ranges *one, const struct ranges *other, struct ranges *ret_ranges)
{
	enum status status = STATUS_OK;
	size_t at = 0;

	for (size_t i = 0; i < one->count && status == STATUS_OK; i++) {
		struct range range = one->range[i];
		while (at < other->count && other->range[at].end <= range.start)
			at++;
		for (size_t j = at;
		     j < other->count && other->range[j].start < range.end && status == STATUS_OK; j++)
			status = ranges_append(ret_ranges, MAX(range.start, other->range[j].start),
			                       MIN(range.end, other->range[j].end));
	}
	return status;
}

enum status ranges_subtract(const struct ranges *one, const struct ranges *other, struct ranges *ret_ranges)
{
	enum status status = STATUS_OK;
	size_t at = 0;

	for (size_t i = 0; i < one->count && status == STATUS_OK; i++) {
		struct range left = one->range[i];
		while (at < other->count && other->range[at].end <= left.start)
			at++;
		for (size_t j = at;
		     j < other->count && other->range[j].start < left.end && status == STATUS_OK; j++) {
			if (other->range[j].start > left.start)
				status = ranges_append(ret_ranges, left.start, other->range[j].start);
			left.start = other->range[j].end;
		}
		if (left.start < left.end && status == STATUS_OK)
			status = ranges_append(ret_ranges, left.start, left.end);
	}
	return status;
}

enum status ranges_unite(const struct ranges *one, const struct ranges *other, uint64_t gap,
                         struct ranges *ret_ranges)
{
	enum status status = STATUS_OK;
	size_t i = 0, j = 0;

	while ((i < one->count || j < other->count) && status == STATUS_OK) {
		bool first =
		        j == other->count || (i < one->count && one->range[i].start <= other->range[j].start);
		const struct range *next = first ? &one->range[i++] : &other->range[j++];
		status = ranges_add(ret_ranges, next->start, next->end, gap);
	}
	return status;
}
