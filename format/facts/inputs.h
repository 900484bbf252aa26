/* The sums of hashes that INPUTS has (FORMAT.md), as snaptrace records and snaprun compares them. */
#ifndef FORMAT_FACTS_INPUTS_H
#define FORMAT_FACTS_INPUTS_H

#include <stddef.h>
#include <stdint.h>

/* Of all variables that begin so, in whatever order. */
uint64_t snapimg_hash_variables(char *const *environment, const char *prefix);
/* Of the names of all variables, likewise. */
uint64_t snapimg_hash_names(char *const *environment);
/* Of the names and types in what getdents64(2) gave, without "." and "..": to be added up. */
uint64_t snapimg_hash_entries(const void *entries, size_t size);
/* Of whom a file or a directory belongs to. */
uint32_t snapimg_hash_owner(uint32_t user, uint32_t group);
/* Of the groups, likewise in whatever order. */
uint64_t snapimg_hash_groups(const uint32_t *groups, size_t count);

#endif
