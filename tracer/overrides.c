#include "tracer/overrides.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/image/layout.h"

/* X(word, kind): a word that ends in a colon has a value behind it */
#define POLICIES(X)                                                                                          \
	X("close", POLICY_CLOSE)                                                                             \
	X("null", POLICY_NULL)                                                                               \
	X("inherit", POLICY_INHERIT)                                                                         \
	X("file:", POLICY_FILE)

static bool read_kind(const char *text, struct policy *policy)
{
	static const struct {
		const char *word;
		enum policy_kind kind;
	} words[] = {
#define X(word, kind) {word, kind},
	        POLICIES(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t length = strlen(words[i].word);
		bool has_value = words[i].word[length - 1] == ':';
		if (strncmp(text, words[i].word, length) != 0 || (text[length] != '\0') != has_value)
			continue;
		policy->kind = words[i].kind;
		policy->file = text + length;
		return true;
	}
	return false;
}

enum status policies_add(struct policies *policies, const char *text)
{
	struct policy policy = {0};
	char *end;

	errno = 0;
	long number = strtol(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end != '=' || number >= SNAPIMG_DESCRIPTOR_MAX)
		return fail(STATUS_FAILED, "--fd %s: no descriptor: write it like 3=null", text);
	if (!read_kind(end + 1, &policy))
		return fail(STATUS_FAILED, "--fd %s: not known: give close, null, inherit or file:PATH",
		            text);
	policy.number = (int)number;
	size_t place = 0;
	while (place < policies->count && policies->fd[place].number != policy.number)
		place++;
	if (place == POLICIES_MAX)
		return fail(STATUS_FAILED, "--fd %s: more than %d descriptors: give fewer", text,
		            POLICIES_MAX);
	policies->fd[place] = policy;
	policies->count += place == policies->count;
	return STATUS_OK;
}

enum status policies_read_tcp(const char *text, bool *ret_reset)
{
	if (strcmp(text, "refuse") != 0 && strcmp(text, "reset") != 0)
		return fail(STATUS_FAILED, "--tcp %s: not known: give refuse or reset", text);
	*ret_reset = strcmp(text, "reset") == 0;
	return STATUS_OK;
}

const struct policy *policies_find(const struct policies *policies, int number)
{
	for (size_t i = 0; i < policies->count; i++)
		if (policies->fd[i].number == number)
			return &policies->fd[i];
	return NULL;
}
