#include "tracer/overrides.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/image/layout.h"

/* X(word, kind): a word that ends in a colon has a value behind it */
#define OVERRIDES(X)                                                                                         \
	X("close", OVERRIDE_CLOSE)                                                                           \
	X("null", OVERRIDE_NULL)                                                                             \
	X("inherit", OVERRIDE_INHERIT)                                                                       \
	X("file:", OVERRIDE_FILE)

static bool read_kind(const char *text, struct override *override)
{
	static const struct {
		const char *word;
		enum override_kind kind;
	} words[] = {
#define X(word, kind) {word, kind},
	        OVERRIDES(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t length = strlen(words[i].word);
		bool has_value = words[i].word[length - 1] == ':';
		if (strncmp(text, words[i].word, length) != 0 || (text[length] != '\0') != has_value)
			continue;
		override->kind = words[i].kind;
		override->file = text + length;
		return true;
	}
	return false;
}

enum status overrides_add(struct overrides *overrides, const char *text)
{
	struct override override = {0};
	char *end;

	errno = 0;
	long number = strtol(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end != '=' || number >= SNAPIMG_DESCRIPTOR_MAX)
		return fail(STATUS_FAILED, "--fd %s: no descriptor: write it like 3=null", text);
	if (!read_kind(end + 1, &override))
		return fail(STATUS_FAILED, "--fd %s: not known: give close, null, inherit or file:PATH",
		            text);
	override.number = (int)number;
	size_t place = 0;
	while (place < overrides->count && overrides->fd[place].number != override.number)
		place++;
	if (place == OVERRIDES_MAX)
		return fail(STATUS_FAILED, "--fd %s: more than %d descriptors: give fewer", text,
		            OVERRIDES_MAX);
	overrides->fd[place] = override;
	overrides->count += place == overrides->count;
	return STATUS_OK;
}

enum status overrides_read_tcp(const char *text, bool *ret_reset)
{
	if (strcmp(text, "refuse") != 0 && strcmp(text, "reset") != 0)
		return fail(STATUS_FAILED, "--tcp %s: not known: give refuse or reset", text);
	*ret_reset = strcmp(text, "reset") == 0;
	return STATUS_OK;
}

const struct override *overrides_find(const struct overrides *overrides, int number)
{
	for (size_t i = 0; i < overrides->count; i++)
		if (overrides->fd[i].number == number)
			return &overrides->fd[i];
	return NULL;
}
