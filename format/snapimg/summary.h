/* Inside snapimg: what `info` tells beyond single records, and the names of their numbers. */
#ifndef FORMAT_SNAPIMG_SUMMARY_H
#define FORMAT_SNAPIMG_SUMMARY_H

#include <stdbool.h>

#include "format/image/reader.h"

struct summary {
	uint64_t mapped;                /* bytes of address space */
	uint64_t pages;                 /* bytes of pages in extents, before compression */
	uint64_t stored;                /* bytes they take in the image */
	uint64_t zeroed;                /* bytes of pages that are cleared at a restore */
	uint64_t hot_written, hot_read; /* pages that are populated at a restore */
	uint64_t cpu_features;          /* how many the image needs */
	double ratio;                   /* pages / stored; 1 when nothing is stored */
};

void summary_of(const struct snapimg *image, struct summary *ret_summary);

/* "read-only", "write-only", "read-write", for open(2) flags. */
const char *summary_access(uint32_t flags);

/* A level of processors: "x86-64-v2", "native". */
const char *summary_level(uint32_t level);

enum { SUMMARY_TIME_MAX = 32 };
/* "2026-11-22 22:51:02 UTC"; the number itself where it is no date of our calendar. */
const char *summary_time(char buffer[SUMMARY_TIME_MAX], int64_t seconds);

/* The next string of NUL-terminated strings in a section, after `string` (NULL: the first); NULL at the end.
 */
const char *summary_next_string(const struct snapimg_view *view, const char *string);

/* What a start needs of a file. */
enum summary_need {
	NEEDS_FILE,
	NEEDS_CONTENT, /* it is in the image */
};
enum summary_need summary_need_of(const struct snapimg *image, uint32_t file);
bool summary_is_self_contained(const struct snapimg *image);

#endif
