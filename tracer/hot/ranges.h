/* Sets of addresses, as sorted disjoint ranges. */
#ifndef TRACER_HOT_RANGES_H
#define TRACER_HOT_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/base/message.h"

struct range {
	uint64_t start, end;
};

struct ranges {
	struct range *range;
	size_t count;
};

/* At or past the end of the last; what touches that (or lies within `gap` bytes of it) becomes one range
 * with it. */
enum status ranges_add(struct ranges *ranges, uint64_t start, uint64_t end, uint64_t gap)
        __attribute__((warn_unused_result));
/* The same, but it stays apart from the last. */
enum status ranges_append(struct ranges *ranges, uint64_t start, uint64_t end)
        __attribute__((warn_unused_result));
void ranges_free(struct ranges *ranges);

/* Each of these makes a new set in *ret_ranges (owned; must be empty). Ranges of `one` that touch stay apart.
 */
enum status ranges_intersect(const struct ranges *one, const struct ranges *other, struct ranges *ret_ranges)
        __attribute__((warn_unused_result));
enum status ranges_subtract(const struct ranges *one, const struct ranges *other, struct ranges *ret_ranges)
        __attribute__((warn_unused_result));
/* gap: of bytes that are bridged, too. */
enum status ranges_unite(const struct ranges *one, const struct ranges *other, uint64_t gap,
                         struct ranges *ret_ranges) __attribute__((warn_unused_result));

#endif
