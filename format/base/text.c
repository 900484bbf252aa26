#include "format/base/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

/* How many bytes the UTF-8 character at the beginning has, or 0 (RFC 3629: no overlong form, no surrogate,
 * nothing above U+10FFFF). */
static size_t utf8_length(const uint8_t *bytes, size_t size)
{
	static const struct {
		uint8_t first, last, low, high, length;
	} forms[] = {
	        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (bytes[0] < forms[i].first || bytes[0] > forms[i].last)
			continue;
		if (forms[i].length > size)
			return 0;
		for (size_t at = 1; at < forms[i].length; at++)
			if (bytes[at] < (at == 1 ? forms[i].low : 0x80) ||
			    bytes[at] > (at == 1 ? forms[i].high : 0xbf))
				return 0;
		return forms[i].length;
	}
	return 0;
}

/* C0, DEL, and C1 as UTF-8 has them. */
static bool is_control(const uint8_t *bytes, size_t length)
{
	return bytes[0] < 0x20 || bytes[0] == 0x7f || (length == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0);
}

/* The character as it is; 0 taken where it must be written in another way. */
static struct text_piece as_it_is(const char *bytes, size_t size)
{
	const uint8_t *byte = (const uint8_t *)bytes;
	struct text_piece piece = {.size = utf8_length(byte, size)};

	if (piece.size == 0 || is_control(byte, piece.size))
		return (struct text_piece){0};
	memcpy(piece.bytes, bytes, piece.size);
	piece.taken = piece.size;
	return piece;
}

static __attribute__((format(printf, 1, 2))) struct text_piece escaped(const char *form, ...)
{
	struct text_piece piece = {.taken = 1};
	va_list arguments;

	va_start(arguments, form);
	piece.size = (size_t)vsnprintf(piece.bytes, sizeof(piece.bytes), form, arguments);
	va_end(arguments);
	return piece;
}

struct text_piece text_shown(const char *bytes, size_t size)
{
	struct text_piece piece = as_it_is(bytes, size);

	return piece.taken ? piece : escaped("\\x%02x", (unsigned char)*bytes);
}

struct text_piece text_json(const char *bytes, size_t size)
{
	struct text_piece piece = as_it_is(bytes, size);
	size_t length = piece.taken ? piece.taken : utf8_length((const uint8_t *)bytes, size);

	if (*bytes == '"' || *bytes == '\\')
		return escaped("\\%c", (unsigned char)*bytes);
	if (piece.taken)
		return piece;
	if (length == 2) { /* a control character of C1 is its second byte's value */
		piece = escaped("\\u%04x", (unsigned char)bytes[1]);
		piece.taken = length;
		return piece;
	}
	return escaped(length ? "\\u%04x" : "\\udc%02x", (unsigned char)*bytes);
}

static struct text_piece in_quotes(const char *bytes, size_t size)
{
	return *bytes == '\'' ? (struct text_piece){"'\\''", 4, 1} : as_it_is(bytes, size);
}

static struct text_piece in_escapes(const char *bytes, size_t size)
{
	struct text_piece piece = as_it_is(bytes, size);

	if (*bytes == '\n')
		return (struct text_piece){"\\n", 2, 1};
	if (*bytes == '\t')
		return (struct text_piece){"\\t", 2, 1};
	if (*bytes == '\\' || *bytes == '\'')
		return escaped("\\%c", (unsigned char)*bytes);
	return piece.taken ? piece : escaped("\\%03o", (unsigned char)*bytes);
}

/* Words of these are the same with and without quotes. '~' and '=' only matter at places; so they count as
 * not. */
static bool is_bare(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       (byte && strchr("_@%+:,./-", byte));
}

const struct text_quotes *text_quotes(const char *bytes, size_t size)
{
	static const struct text_quotes none = {"", "", as_it_is}, quotes = {"'", "'", in_quotes},
	                                escapes = {"$'", "'", in_escapes};
	bool bare = size > 0;

	for (size_t at = 0; at < size;) {
		size_t taken = as_it_is(bytes + at, size - at).taken;

		if (!taken)
			return &escapes;
		bare = bare && is_bare(bytes[at]);
		at += taken;
	}
	return bare ? &none : &quotes;
}

static void print(FILE *out, const char *text, struct text_piece (*next)(const char *, size_t))
{
	size_t size = strlen(text);

	for (size_t at = 0; at < size;) {
		struct text_piece piece = next(text + at, size - at);

		(void)fwrite(piece.bytes, 1, piece.size, out);
		at += piece.taken;
	}
}

void text_print(FILE *out, const char *text)
{
	print(out, text, text_shown);
}

void text_print_quoted(FILE *out, const char *text)
{
	const struct text_quotes *quotes = text_quotes(text, strlen(text));

	(void)fputs(quotes->opening, out);
	print(out, text, quotes->piece);
	(void)fputs(quotes->closing, out);
}

void text_print_json(FILE *out, const char *text)
{
	(void)fputc('"', out);
	print(out, text, text_json);
	(void)fputc('"', out);
}

const char *text_size(char buffer[TEXT_SIZE_MAX], uint64_t bytes)
{
	static const char units[][4] = {"KiB", "MiB", "GiB", "TiB"};
	double scaled = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(buffer, TEXT_SIZE_MAX, "%u bytes", (unsigned)bytes);
		return buffer;
	}
	while (scaled >= 1024 && unit + 1 < sizeof(units) / sizeof(*units)) {
		scaled /= 1024;
		unit++;
	}
	(void)snprintf(buffer, TEXT_SIZE_MAX, "%.1f %s", scaled, units[unit]);
	return buffer;
}

const char *text_hex(char *buffer, const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < size; i++) {
		buffer[2 * i] = digits[bytes[i] >> 4];
		buffer[2 * i + 1] = digits[bytes[i] & 15];
	}
	buffer[2 * size] = '\0';
	return buffer;
}
