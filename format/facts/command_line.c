#include "format/facts/command_line.h"

#include <stddef.h>

#include "format/image/layout.h"

enum { WIDTH = 80, LINE_MAX = 256, GAP = 2 };

struct line {
	char text[LINE_MAX];
	size_t length;
};

static void add(struct line *line, const char *text, size_t length)
{
	for (size_t i = 0; i < length && line->length < LINE_MAX - 2; i++)
		line->text[line->length++] = text[i];
}

static void add_text(struct line *line, const char *text)
{
	size_t length = 0;

	while (text[length] != '\0')
		length++;
	add(line, text, length);
}

static bool end(struct line *line, const struct help *help)
{
	line->text[line->length++] = '\n';
	line->text[line->length] = '\0';
	line->length = 0;
	return help->put(help->context, line->text);
}

/* How long the word is that text begins with. */
static size_t word_length(const char *text)
{
	size_t length = 0;

	while (text[length] != '\0' && text[length] != ' ' && text[length] != '\n')
		length++;
	return length;
}

bool help_put(const struct help *help, const char *described, const char *words)
{
	struct line line = {.length = 0};
	bool arrived = true;

	add_text(&line, described);
	if (line.length + GAP > help->column)
		arrived = end(&line, help);
	while (*words != '\0') {
		size_t length = word_length(words);
		bool first = line.length <= help->column;

		if (!first && line.length + 1 + length > WIDTH) {
			arrived = end(&line, help) && arrived;
			first = true;
		}
		while (line.length < help->column)
			add(&line, " ", 1);
		if (!first)
			add(&line, " ", 1);
		add(&line, words, length);
		words += length;
		if (*words == '\n')
			arrived = end(&line, help) && arrived;
		if (*words != '\0')
			words++;
	}
	return (line.length == 0 || end(&line, help)) && arrived;
}

bool help_put_option(const struct help *help, const struct option_words *option)
{
	struct line described = {.length = 0};
	char letter[] = {' ', ' ', '-', option->letter, ',', ' '};

	if (option->help == NULL)
		return true;
	if (option->letter != 0)
		add(&described, letter, sizeof(letter));
	else
		add_text(&described, "      ");
	add_text(&described, "--");
	add_text(&described, option->name);
	if (option->argument != NULL) {
		if (option->argument[0] != '[')
			add_text(&described, " ");
		add_text(&described, option->argument);
	}
	described.text[described.length] = '\0';
	return help_put(help, described.text, option->help);
}

/* What follows the word in text, or NULL where it does not begin with it. */
static const char *after(const char *text, const char *word)
{
	while (*word != '\0' && *text == *word) {
		text++;
		word++;
	}
	return *word == '\0' ? text : NULL;
}

const char *override_read(const char *text, struct override *ret_override)
{
	static const struct {
		const char *word;
		enum override_kind kind;
		bool has_value;
	} words[] = {
	        {"close", OVERRIDE_CLOSE, false},
	        {"null", OVERRIDE_NULL, false},
	        {"inherit", OVERRIDE_INHERIT, false},
	        {"file:", OVERRIDE_FILE, true},
	};
	struct override override = {.number = 0};
	const char *at = text;

	for (; *at >= '0' && *at <= '9' && override.number < SNAPIMG_DESCRIPTOR_MAX; at++)
		override.number = override.number * 10 + (*at - '0');
	if (at == text || *at != '=' || override.number >= SNAPIMG_DESCRIPTOR_MAX)
		return "no descriptor: write it like 3=null";
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const char *rest = after(at + 1, words[i].word);

		if (rest == NULL || (*rest != '\0') != words[i].has_value)
			continue;
		override.kind = words[i].kind;
		override.file = rest;
		*ret_override = override;
		return NULL;
	}
	return "not known: give close, null, inherit or file:PATH";
}
