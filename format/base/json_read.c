#include "format/base/json_read.h"

#include <stdlib.h>
#include <string.h>

#include "format/base/array.h"

struct parser {
	struct json_document document;
	uint32_t at, size;
};

static void skip_blanks(struct parser *parser)
{
	const char *text = parser->document.text;

	while (parser->at < parser->size && text[parser->at] != '\0' &&
	       strchr(" \t\r\n", text[parser->at]) != NULL)
		parser->at++;
}

static bool take(struct parser *parser, char wanted)
{
	skip_blanks(parser);
	if (parser->at == parser->size || parser->document.text[parser->at] != wanted)
		return false;
	parser->at++;
	return true;
}

/* *ret_node is an index, for nodes move. */
static bool add_node(struct parser *parser, enum json_kind kind, uint32_t *ret_node)
{
	struct json_document *document = &parser->document;
	struct json_node *node =
	        document->count < JSON_NODES_MAX ? array_add(document->node, document->count) : NULL;

	if (node == NULL)
		return false;
	*node = (struct json_node){.kind = kind, .start = parser->at, .end = parser->at};
	*ret_node = (uint32_t)document->count - 1;
	return true;
}

static bool is_hex(char letter)
{
	return letter != '\0' && strchr("0123456789abcdefABCDEF", letter) != NULL;
}

/* How many bytes the escape has that begins with a backslash at `text`; 0: it is none. */
static uint32_t escape_size(const char *text, uint32_t left)
{
	if (left < 2 || text[1] == '\0')
		return 0;
	if (strchr("\"\\/bfnrt", text[1]) != NULL)
		return 2;
	return text[1] == 'u' && left >= 6 && is_hex(text[2]) && is_hex(text[3]) && is_hex(text[4]) &&
	                       is_hex(text[5])
	               ? 6
	               : 0;
}

static bool take_string(struct parser *parser, enum json_kind kind, uint32_t *ret_node)
{
	const char *text = parser->document.text;

	skip_blanks(parser);
	if (!add_node(parser, kind, ret_node) || !take(parser, '"'))
		return false;
	while (parser->at < parser->size && text[parser->at] != '"') {
		uint32_t size = 1;

		if (text[parser->at] == '\\')
			size = escape_size(text + parser->at, parser->size - parser->at);
		if (size == 0 || (unsigned char)text[parser->at] < ' ')
			return false;
		parser->at += size;
	}
	if (!take(parser, '"'))
		return false;
	parser->document.node[*ret_node].end = parser->at;
	return true;
}

/* Numbers and words: only where one is asked for, it is looked at closely. */
static bool take_other(struct parser *parser, uint32_t *ret_node)
{
	static const char letters[] = "+-.0123456789abcdefghijklmnopqrstuvwxyzE";
	const char *text = parser->document.text;
	uint32_t start = parser->at;

	if (!add_node(parser, JSON_OTHER, ret_node))
		return false;
	while (parser->at < parser->size && text[parser->at] != '\0' &&
	       strchr(letters, text[parser->at]) != NULL)
		parser->at++;
	parser->document.node[*ret_node].end = parser->at;
	return parser->at > start;
}

static bool take_value(struct parser *parser, unsigned int depth, uint32_t *ret_node);

/* One of an object: a name with its value. */
static bool take_member(struct parser *parser, unsigned int depth, uint32_t *ret_node)
{
	uint32_t value;

	if (!take_string(parser, JSON_NAME, ret_node) || !take(parser, ':') ||
	    !take_value(parser, depth, &value))
		return false;
	parser->document.node[*ret_node].first = value;
	return true;
}

static bool take_children(struct parser *parser, unsigned int depth, uint32_t parent)
{
	bool is_object = parser->document.node[parent].kind == JSON_OBJECT;
	char closing = is_object ? '}' : ']';
	uint32_t last = 0, child;

	parser->at++;
	if (depth == JSON_DEPTH_MAX)
		return false;
	if (take(parser, closing))
		return true;
	do {
		if (!(is_object ? take_member(parser, depth, &child) : take_value(parser, depth, &child)))
			return false;
		if (last == 0)
			parser->document.node[parent].first = child;
		else
			parser->document.node[last].next = child;
		last = child;
	} while (take(parser, ','));
	return take(parser, closing);
}

static bool take_value(struct parser *parser, unsigned int depth,
                       uint32_t *ret_node) /* NOLINT(misc-no-recursion) */
{
	skip_blanks(parser);
	if (parser->at == parser->size)
		return false;
	switch (parser->document.text[parser->at]) {
	case '"':
		return take_string(parser, JSON_STRING, ret_node);
	case '{':
	case '[':
		if (!add_node(parser, parser->document.text[parser->at] == '{' ? JSON_OBJECT : JSON_ARRAY,
		              ret_node) ||
		    !take_children(parser, depth + 1, *ret_node))
			return false;
		parser->document.node[*ret_node].end = parser->at;
		return true;
	default:
		return take_other(parser, ret_node);
	}
}

bool json_parse(const char *text, size_t size, struct json_document *ret_document)
{
	struct parser parser = {.document = {.text = text}, .size = (uint32_t)size};
	uint32_t root;

	if (size < UINT32_MAX && take_value(&parser, 0, &root)) {
		skip_blanks(&parser);
		if (parser.at == parser.size) {
			*ret_document = parser.document;
			return true;
		}
	}
	free(parser.document.node);
	return false;
}

void json_document_free(struct json_document *document)
{
	free(document->node);
	*document = (struct json_document){0};
}

uint32_t json_member(const struct json_document *document, uint32_t object, const char *name)
{
	size_t size = strlen(name);

	if (document->node[object].kind != JSON_OBJECT)
		return 0;
	for (uint32_t at = document->node[object].first; at != 0; at = document->node[at].next) {
		const struct json_node *node = &document->node[at];

		if (node->end - node->start == size + 2 &&
		    memcmp(document->text + node->start + 1, name, size) == 0)
			return node->first;
	}
	return 0;
}

uint32_t json_first(const struct json_document *document, uint32_t array)
{
	return document->node[array].kind == JSON_ARRAY ? document->node[array].first : 0;
}

/* Up to U+FFFF, without NUL and surrogates. */
static size_t put_character(char *to, uint32_t number)
{
	if (number == 0 || (number >= 0xd800 && number < 0xe000))
		return 0;
	if (number < 0x80) {
		to[0] = (char)number;
		return 1;
	}
	if (number < 0x800) {
		to[0] = (char)(0xc0 | number >> 6);
		to[1] = (char)(0x80 | (number & 0x3f));
		return 2;
	}
	to[0] = (char)(0xe0 | number >> 12);
	to[1] = (char)(0x80 | (number >> 6 & 0x3f));
	to[2] = (char)(0x80 | (number & 0x3f));
	return 3;
}

/* The character that an escape stands for. */
static uint32_t escaped(const char *escape)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	char digits[5] = "";
	const char *letter;

	if (escape[1] == 'u') {
		memcpy(digits, escape + 2, 4);
		return (uint32_t)strtoul(digits, NULL, 16);
	}
	letter = strchr(letters, escape[1]);
	return letter != NULL ? (uint32_t)meanings[letter - letters] : (uint32_t)escape[1];
}

bool json_get_string(const struct json_document *document, uint32_t node, char *text, size_t room)
{
	const struct json_node *string = &document->node[node];
	const char *from = document->text + string->start + 1;
	uint32_t size = string->end - string->start - 2, at = 0;
	size_t done = 0;

	if (node == 0 || string->kind != JSON_STRING)
		return false;
	while (at < size) {
		size_t put = 1;

		if (room - done < 4) /* a character, at most 3, and the NUL */
			return false;
		if (from[at] == '\\') {
			put = put_character(text + done, escaped(from + at));
			at += escape_size(from + at, size - at);
		} else {
			text[done] = from[at++];
		}
		if (put == 0)
			return false;
		done += put;
	}
	text[done] = '\0';
	return true;
}

bool json_get_number(const struct json_document *document, uint32_t node, uint64_t *ret_number)
{
	const struct json_node *number = &document->node[node];
	uint64_t value = 0;

	if (node == 0 || number->kind != JSON_OTHER)
		return false;
	for (uint32_t at = number->start; at < number->end; at++) {
		char digit = document->text[at];

		if (digit < '0' || digit > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(digit - '0'), &value))
			return false;
	}
	*ret_number = value;
	return true;
}
