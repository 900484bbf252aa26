#include "restore/look/words.h"

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/loader.h"

enum { TEXT_MAX = 4096, WORDS_MAX = 256 };

static const char name_of_options[] = "SNAP_OPTIONS";

static bool is_named(const char *variable, const char *name)
{
	const char *rest = text_after(variable, name);
	return rest != NULL && *rest == '=';
}

const char *environment(const char *name)
{
	for (char **variable = loader.stack.envp; *variable != NULL; variable++)
		if (is_named(*variable, name))
			return *variable + strlen(name) + 1;
	return NULL;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n';
}

/* A copy, as values of options are used when the caller's environment has gone. */
char **words_of_environment(void)
{
	static char text[TEXT_MAX], *word[WORDS_MAX + 1];
	const char *from = environment(name_of_options);
	static char *const none[] = {NULL};
	uint64_t used = 0, count = 0;
	if (from == NULL)
		return (char **)(uint64_t)none;
	if (strlen(from) >= sizeof text)
		die(EXIT_REFUSED, name_of_options, ": longer than ", dec(TEXT_MAX - 1), " bytes: shorten it");
	for (bool in_word = false; *from != '\0'; from++) {
		if (is_blank(*from)) {
			in_word = false;
			text[used++] = '\0';
			continue;
		}
		if (!in_word && count == WORDS_MAX)
			die(EXIT_REFUSED, name_of_options, ": more than ", dec(WORDS_MAX),
			    " words: shorten it");
		if (!in_word)
			word[count++] = text + used;
		in_word = true;
		text[used++] = *from;
	}
	text[used] = '\0';
	word[count] = NULL;
	return word;
}

void words_hide(void)
{
	char **to = loader.stack.envp;
	for (char **from = to; *from != NULL; from++)
		if (!is_named(*from, name_of_options))
			*to++ = *from;
	*to = NULL;
}
