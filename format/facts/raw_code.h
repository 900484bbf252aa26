/* Whether code calls the kernel about memory by itself, past the shim. */
#ifndef FORMAT_FACTS_RAW_CODE_H
#define FORMAT_FACTS_RAW_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code of the C library, by its file's path: what it calls by itself does no harm. */
bool raw_code_is_of_libc(const char *path);
/* Code that is looked through piece by piece is so as a whole, if its pieces overlap by that. */
enum { RAW_CODE_OVERLAP = 128 };
bool raw_code_calls(const uint8_t *code, size_t size);

#endif
