/* Memory and string helpers of the loader, which has no libc. */
#ifndef RESTORE_BASE_MEMORY_H
#define RESTORE_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Their parameters have our names, not those of a libc that is not there. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
void *memcpy(void *restrict destination, const void *restrict source, size_t size);
void *memmove(void *destination, const void *source, size_t size);
void *memset(void *destination, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

bool text_equal(const char *a, const char *b);
/* What follows prefix in text, or NULL when text does not begin with it. */
const char *text_after(const char *text, const char *prefix);

static inline uint64_t page_floor(uint64_t address)
{
	return address & ~(uint64_t)4095;
}

static inline uint64_t page_ceil(uint64_t address)
{
	return (address + 4095) & ~(uint64_t)4095;
}

#endif
