/* The directory of thawed copies: one file for each image, named by its digest. */
#ifndef FORMAT_SNAPIMG_CACHE_STORE_H
#define FORMAT_SNAPIMG_CACHE_STORE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "format/snapimg/commands.h"

/* A copy is named by its image's digest, or where a key was asked for by its SHA-256, which nobody can make
 * two images for. */
enum {
	COPY_DIGITS = 2 * SNAPIMG_DIGEST_SIZE,
	SIGNED_COPY_DIGITS = 2 * SNAPIMG_SHA256_SIZE,
	COPY_NAME_SIZE = SIGNED_COPY_DIGITS + sizeof(".snap"),
};

struct cache_store {
	char *path;     /* malloc'ed; absolute */
	int descriptor; /* of the directory; -1 where there is none yet */
};

struct cached_copy {
	char name[NAME_MAX + 1];
	bool is_left_over; /* of a copy that was not completed: it is nobody's, and goes first */
	uint64_t bytes;    /* that it takes on the disk */
	struct timespec used;
};

struct cached_copies {
	struct cached_copy *copy; /* malloc'ed; what was used longest ago comes first */
	size_t count;
	uint64_t bytes;
};

/* dir: NULL for that of the environment (SNAP_CACHE, XDG_CACHE_HOME, HOME). The directory must be the
 * caller's and nobody else's to write to; with `make` it is made. Complains and returns a status when it
 * can't be used. */
enum exit_status cache_store_open(struct cache_store *store, const char *dir, bool make)
        __attribute__((warn_unused_result));
void cache_store_close(struct cache_store *store);

/* Only copies are looked at, and what is left of some that were not completed. */
enum exit_status cache_store_list(const struct cache_store *store, struct cached_copies *ret_copies)
        __attribute__((warn_unused_result));
/* Removes a copy; it may be gone. */
void cache_store_remove(const struct cache_store *store, const char *name);
/* Removes what is left over, then what was used longest ago until `limit` bytes are left, but never `spared`.
 */
void cache_store_shrink(const struct cache_store *store, uint64_t limit, const char *spared);

#endif
