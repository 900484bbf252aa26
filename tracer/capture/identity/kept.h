/* What of the program has kept its IDs, and what of that is made right at a start. */
#ifndef TRACER_CAPTURE_IDENTITY_KEPT_H
#define TRACER_CAPTURE_IDENTITY_KEPT_H

#include "tracer/capture/identity/search.h"
#include "tracer/capture/memory/plan.h"
#include "tracer/capture/threads/threads.h"

struct kept_id {
	struct snapimg_kept record; /* strings: set when it's written */
	const char *where, *what;   /* borrowed */
};

struct kept_outside;
struct kept_ids {
	struct kept_id *id;
	size_t count, uncorrected;
	char **name; /* files that the program made, which some of them name; owned */
	size_t name_count;
};

/* When the search is over: sorts out what was found, and adds fix-ups for what is known. `executable`: the
 * path of the file that the program runs, where it may still ask for that; NULL: it has asked. The result
 * borrows the mappings' names. */
enum status kept_find(const struct id_search *search, const struct threads *threads,
                      const struct mappings *mappings, const struct plan *plan, const struct files *files,
                      const char *executable, const struct kept_outside *outside, struct fixups *fixups,
                      struct kept_ids *ret_kept) __attribute__((warn_unused_result));
enum snapimg_error kept_write(const struct kept_ids *kept, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void kept_free(struct kept_ids *kept);

#endif
