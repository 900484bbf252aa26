/* Inside snapimg: strings of an image, which may hold anything, for a terminal. */
#ifndef FORMAT_BASE_TEXT_H
#define FORMAT_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How long the well-formed UTF-8 sequence at `text` is, in bytes; 0 when there is none. */
size_t text_utf8_length(const uint8_t *text);

/* Control bytes and bytes that are not UTF-8 become \xHH. */
void text_print(FILE *out, const char *text);

/* As a shell would need it: bare, in '…', or in $'…'. */
void text_print_quoted(FILE *out, const char *text);

/* "12.3 MiB"; exact below 1 KiB. */
enum { TEXT_SIZE_MAX = 32 };
const char *text_size(char buffer[TEXT_SIZE_MAX], uint64_t bytes);

/* 2 * size hexadecimal digits and NUL to `buffer`, which it returns. */
const char *text_hex(char *buffer, const uint8_t *bytes, size_t size);

#endif
