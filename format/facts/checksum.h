/*
 * XXH3 (xxHash 0.8, whose output is frozen since 0.8.0), inlined so that the
 * freestanding loader gets it without a library.
 */
#ifndef FORMAT_FACTS_CHECKSUM_H
#define FORMAT_FACTS_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t snapimg_checksum(const void *bytes, size_t size)
{
	return XXH3_64bits(bytes, size);
}

#endif
