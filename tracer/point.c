#include "point.h"

#include <string.h>

/* The first that fits is taken; so the words win over symbols of the same name. */
static const struct point_kind *const kinds[] = {
        &point_main, &point_entry, &point_here, &point_path, &point_syscall, &point_symbol,
};

/* Words that mean no symbol either, so that what they will mean can't change what a user wrote. */
static const char *const reserved[] = {
        "effect", "output", "listen", "accept", "idle", "read:", "signal:", "after:",
};

/* A word with ':' at its end begins a point, another is a whole one. */
static bool fits(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncmp(text, word, length) == 0 && (word[length - 1] == ':' || text[length] == '\0');
}

enum status point_parse(const char *text, struct point *ret_point)
{
	struct point point = {.text = text};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (fits(text, reserved[i]))
			return fail(STATUS_FAILED,
			            "point %s: not known to this version: see snaptrace --help for those "
			            "that are",
			            text);
	for (size_t i = 0; !point.kind && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!kinds[i]->word || fits(text, kinds[i]->word))
			point.kind = kinds[i];
	if (point.kind->parse) {
		size_t skipped = point.kind->word ? strlen(point.kind->word) : 0;
		enum status status = point.kind->parse(&point, text + skipped);

		if (status != STATUS_OK)
			return status;
	}
	*ret_point = point;
	return STATUS_OK;
}
