#include "format/base/line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/array.h"

void line_add(struct line *line, const void *bytes, size_t size)
{
	if (line->failed)
		return;
	char *grown = array_reserve(line->bytes, line->size, size, &line->room, 1);

	if (!grown) {
		line->failed = true;
		return;
	}
	line->bytes = grown;
	memcpy(line->bytes + line->size, bytes, size);
	line->size += size;
}

void line_text(struct line *line, const char *text)
{
	line_add(line, text, strlen(text));
}

void line_format(struct line *line, const char *format, ...)
{
	char text[256]; /* numbers and names only: what may be longer is added by the others */
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length > 0)
		line_add(line, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

/* How many bytes the UTF-8 character at the beginning has (RFC 3629, section 4), or 0. */
static size_t utf8_length(const uint8_t *bytes, size_t size)
{
	static const struct {
		uint8_t first, last, second_first, second_last, length;
	} rows[] = {
	        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (bytes[0] < rows[i].first || bytes[0] > rows[i].last)
			continue;
		if (rows[i].length > size)
			return 0;
		for (size_t at = 1; at < rows[i].length; at++)
			if (bytes[at] < (at == 1 ? rows[i].second_first : 0x80) ||
			    bytes[at] > (at == 1 ? rows[i].second_last : 0xbf))
				return 0;
		return rows[i].length;
	}
	return 0;
}

static bool is_control(uint8_t byte)
{
	return byte < 0x20 || byte == 0x7f;
}

/* Words of these are the same with and without quotes. '~' and '=' only matter at places; so they count as
 * not. */
static bool is_plain(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       (byte && strchr("_@%+:,./-", byte));
}

static void add_escaped(struct line *line, const uint8_t *bytes, size_t size)
{
	line_text(line, "$'");
	for (size_t at = 0; at < size;) {
		size_t length = utf8_length(bytes + at, size - at);

		if (bytes[at] == '\n')
			line_text(line, "\\n");
		else if (bytes[at] == '\t')
			line_text(line, "\\t");
		else if (length == 0 || is_control(bytes[at]))
			line_format(line, "\\%03o", bytes[at]);
		else if (bytes[at] == '\\' || bytes[at] == '\'')
			line_format(line, "\\%c", bytes[at]);
		else
			line_add(line, bytes + at, length);
		at += length ? length : 1;
	}
	line_text(line, "'");
}

static void add_in_quotes(struct line *line, const char *bytes, size_t size)
{
	line_text(line, "'");
	for (size_t at = 0; at < size;) {
		size_t length = size - at;
		const char *quote = memchr(bytes + at, '\'', length);

		if (quote)
			length = (size_t)(quote - (bytes + at));
		line_add(line, bytes + at, length);
		if (quote)
			line_text(line, "'\\''");
		at += length + (quote ? 1 : 0);
	}
	line_text(line, "'");
}

void line_quoted(struct line *line, const char *bytes, size_t size)
{
	const uint8_t *byte = (const uint8_t *)bytes;
	bool plain = size > 0, printable = true;

	for (size_t at = 0; at < size;) {
		size_t length = utf8_length(byte + at, size - at);

		plain = plain && is_plain(byte[at]);
		printable = printable && length > 0 && !is_control(byte[at]);
		at += length ? length : 1;
	}
	if (plain)
		line_add(line, bytes, size);
	else if (printable)
		add_in_quotes(line, bytes, size);
	else
		add_escaped(line, byte, size);
}

void line_json(struct line *line, const char *bytes, size_t size)
{
	const uint8_t *byte = (const uint8_t *)bytes;

	line_text(line, "\"");
	for (size_t at = 0; at < size;) {
		size_t length = utf8_length(byte + at, size - at);

		if (length == 0)
			line_format(line, "\\udc%02x", byte[at]);
		else if (is_control(byte[at]))
			line_format(line, "\\u%04x", byte[at]);
		else if (byte[at] == '"' || byte[at] == '\\')
			line_format(line, "\\%c", byte[at]);
		else
			line_add(line, byte + at, length);
		at += length ? length : 1;
	}
	line_text(line, "\"");
}

bool line_write(const struct line *line, int fd)
{
	for (size_t done = 0; done < line->size;) {
		ssize_t got = write(fd, line->bytes + done, line->size - done);

		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0)
			done += (size_t)got;
	}
	return true;
}

void line_free(struct line *line)
{
	free(line->bytes);
	*line = (struct line){0};
}
