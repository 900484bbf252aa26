/* Strings that may hold anything, for people, shells and JSON; the rules of each stand here alone. */
#ifndef FORMAT_BASE_TEXT_H
#define FORMAT_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How one character, or one byte that belongs to none, is written. */
struct text_piece {
	char bytes[8];
	size_t size;
	size_t taken; /* of what was given: at least 1 */
};

/* For a terminal: control characters and bytes that are not UTF-8 become \xHH. */
struct text_piece text_shown(const char *bytes, size_t size);
/* Inside a JSON string; a byte 0x80 to 0xff that belongs to no UTF-8 becomes a lone surrogate \udc80 to
 * \udcff, as Python's surrogateescape reads and writes them. */
struct text_piece text_json(const char *bytes, size_t size);

/* A word that a shell takes back: itself, '...', or $'...' (bash(1), "QUOTING"; POSIX.1-2024, 2.2.4) where
 * there are control characters or bytes that are not UTF-8. */
struct text_quotes {
	const char *opening, *closing;
	struct text_piece (*piece)(const char *bytes, size_t size);
};
const struct text_quotes *text_quotes(const char *bytes, size_t size);

void text_print(FILE *out, const char *text);
void text_print_quoted(FILE *out, const char *text);
void text_print_json(FILE *out, const char *text);

/* "12.3 MiB"; exact below 1 KiB. */
enum { TEXT_SIZE_MAX = 32 };
const char *text_size(char buffer[TEXT_SIZE_MAX], uint64_t bytes);

/* 2 * size hexadecimal digits and NUL to `buffer`, which it returns. */
const char *text_hex(char *buffer, const uint8_t *bytes, size_t size);

#endif
