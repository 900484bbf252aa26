#include "format/base/text.h"

#include <stdbool.h>
#include <string.h>

/* RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF. */
size_t text_utf8_length(const uint8_t *text)
{
	static const struct {
		uint8_t first, last, low, high, length;
	} forms[] = {
	        {0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	size_t i, k;

	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (text[0] < forms[i].first || text[0] > forms[i].last)
			continue;
		if (forms[i].length > 1 && (text[1] < forms[i].low || text[1] > forms[i].high))
			return 0;
		for (k = 2; k < forms[i].length; k++)
			if (text[k] < 0x80 || text[k] > 0xbf)
				return 0;
		return forms[i].length;
	}
	return 0;
}

/* Controls: C0, DEL, and C1 as UTF-8 has them. */
static bool is_control(const uint8_t *text, size_t length)
{
	return text[0] < 0x20 || text[0] == 0x7f || (length == 2 && text[0] == 0xc2 && text[1] < 0xa0);
}

static const uint8_t *print_one(FILE *out, const uint8_t *byte)
{
	size_t length = text_utf8_length(byte);

	if (length == 0 || is_control(byte, length)) {
		(void)fprintf(out, "\\x%02x", *byte);
		return byte + 1;
	}
	(void)fwrite(byte, 1, length, out);
	return byte + length;
}

void text_print(FILE *out, const char *text)
{
	const uint8_t *byte = (const uint8_t *)text;

	while (*byte != 0)
		byte = print_one(out, byte);
}

static bool needs_escapes(const char *text)
{
	const uint8_t *byte = (const uint8_t *)text;
	size_t length;

	for (; *byte != 0; byte += length) {
		length = text_utf8_length(byte);
		if (length == 0 || is_control(byte, length))
			return true;
	}
	return false;
}

void text_print_quoted(FILE *out, const char *text)
{
	static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
	bool escape = needs_escapes(text);
	const uint8_t *byte = (const uint8_t *)text;

	if (*text != '\0' && strspn(text, bare) == strlen(text)) {
		(void)fputs(text, out);
		return;
	}
	(void)fputs(escape ? "$'" : "'", out);
	while (*byte != 0) {
		if (*byte == '\'' || (escape && *byte == '\\'))
			(void)fputs(!escape ? "'\\'" : "\\", out);
		byte = print_one(out, byte);
	}
	(void)fputc('\'', out);
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
