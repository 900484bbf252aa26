#include "format/base/line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/text.h"

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

static void add_pieces(struct line *line, const char *bytes, size_t size,
                       struct text_piece (*next)(const char *, size_t))
{
	for (size_t at = 0; at < size;) {
		struct text_piece piece = next(bytes + at, size - at);

		line_add(line, piece.bytes, piece.size);
		at += piece.taken;
	}
}

void line_quoted(struct line *line, const char *bytes, size_t size)
{
	const struct text_quotes *quotes = text_quotes(bytes, size);

	line_text(line, quotes->opening);
	add_pieces(line, bytes, size, quotes->piece);
	line_text(line, quotes->closing);
}

void line_json(struct line *line, const char *bytes, size_t size)
{
	line_text(line, "\"");
	add_pieces(line, bytes, size, text_json);
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
