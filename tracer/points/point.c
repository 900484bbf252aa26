#include "tracer/points/point.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first that fits is taken; so the words win over symbols of the same name. */
static const struct point_kind *const kinds[] = {
        &point_main,   &point_entry,  &point_here,  &point_path,   &point_syscall,
        &point_warm,   &point_effect, &point_read,  &point_output, &point_listen,
        &point_accept, &point_signal, &point_after, &point_idle,   &point_symbol,
};

/* A word with ':' at its end begins a point, another is a whole one. */
static bool fits(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncmp(text, word, length) == 0 && (word[length - 1] == ':' || text[length] == '\0');
}

enum status points_add(struct points *points, const char *text)
{
	struct point point = {.text = text, .index = points->count};
	enum status status = STATUS_OK;

	if (points->count == POINTS_MAX)
		return fail(STATUS_FAILED, "point %s: more than %d points: give fewer", text, POINTS_MAX);
	for (size_t i = 0; !point.kind && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!kinds[i]->word || fits(text, kinds[i]->word))
			point.kind = kinds[i];
	if (point.kind->parse)
		status = point.kind->parse(&point, text + (point.kind->word ? strlen(point.kind->word) : 0));
	if (status == STATUS_OK && point.kind->watch)
		point.kind->watch(&point);
	points->point[points->count++] = point; /* also to be freed where parsing failed */
	return status;
}

void points_free(struct points *points)
{
	for (unsigned i = 0; i < points->count; i++) {
		call_rules_free(&points->point[i].calls);
		free(points->point[i].file);
		free(points->point[i].symbol);
	}
	points->count = 0;
}

const struct point *points_find(const struct points *points, const struct point_kind *kind)
{
	for (unsigned i = 0; i < points->count; i++)
		if (points->point[i].kind == kind)
			return &points->point[i];
	return NULL;
}

void points_describe(const struct help *help)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		char described[80];

		snprintf(described, sizeof(described), "  %s", kinds[i]->form);
		(void)help_put(help, described, kinds[i]->help); /* --help looks whether all arrived */
	}
}
