/* A line of text of any length, made piece by piece. Running out of memory is remembered in it, and what is
 * added then is lost; so only the end must ask. */
#ifndef FORMAT_BASE_LINE_H
#define FORMAT_BASE_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct line {
	char *bytes;
	size_t size, room;
	bool failed;
};

void line_add(struct line *line, const void *bytes, size_t size);
void line_text(struct line *line, const char *text);
void line_format(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As a word that a shell takes back, and as a JSON string: by the rules of text.h. */
void line_quoted(struct line *line, const char *bytes, size_t size);
void line_json(struct line *line, const char *bytes, size_t size);

/* In one write(2) where the file takes it so. False with errno. */
bool line_write(const struct line *line, int fd);
void line_free(struct line *line);

#endif
