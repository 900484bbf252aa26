/* The reader of JSON: what it takes, what it gives, what it refuses. */
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "format/base/json_read.h"

static bool parses(const char *text, size_t size)
{
	struct json_document document;
	char *copy = malloc(size == 0 ? 1 : size); /* as long as it is, so that a read past the end is seen */
	bool taken;

	memcpy(copy, text, size);
	taken = json_parse(copy, size, &document);
	if (taken)
		json_document_free(&document);
	free(copy);
	return taken;
}

static void takes(void)
{
	static const char *const documents[] = {"{}",   "[]",     "\"\"",
	                                        " 1 ",  "[1,2]",  "{\"a\":{\"b\":[{},[]]}}",
	                                        "null", "-1.5e3", "\"\\u00e9\\n\""};

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++)
		CHECK(parses(documents[i], strlen(documents[i])));
}

static void refuses(void)
{
	static const char *const documents[] = {
	        "",       " ",          "{",     "[",   "\"",      "{\"a\"}",   "{\"a\":}",    "{a:1}",
	        "[1,]",   "{\"a\":1,}", "[1 2]", "1 2", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\",
	        "\"\n\"", "}",          ":",     "'a'", "[1",      "{\"a\":1"};
	char deep[2 * JSON_DEPTH_MAX + 3];

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++)
		CHECK(!parses(documents[i], strlen(documents[i])));
	CHECK(!parses("[]\0", 3));
	memset(deep, '[', JSON_DEPTH_MAX);
	memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	CHECK(!parses(deep, 2 * JSON_DEPTH_MAX));
	CHECK(parses(deep + 1, 2 * (JSON_DEPTH_MAX - 1)));
}

static void gives(void)
{
	static const char text[] = "{\"name\": \"a\\\"\\u00e9\\u20ac\\t\", \"list\": [7, \"x\", "
	                           "18446744073709551615, 18446744073709551616, -1, 1.5],"
	                           " \"nul\": \"\\u0000\", \"half\": \"\\ud800\", \"name\": 1}";
	struct json_document document;
	char string[16];
	uint64_t number = 0;

	CHECK(json_parse(text, sizeof(text) - 1, &document));
	CHECK(json_get_string(&document, json_member(&document, 0, "name"), string, sizeof(string)));
	CHECK(strcmp(string, "a\"\xc3\xa9\xe2\x82\xac\t") == 0);
	CHECK(!json_get_string(&document, json_member(&document, 0, "name"), string, 8));
	CHECK(!json_get_string(&document, json_member(&document, 0, "nul"), string, sizeof(string)));
	CHECK(!json_get_string(&document, json_member(&document, 0, "half"), string, sizeof(string)));
	CHECK(!json_get_string(&document, 0, string, sizeof(string)));
	CHECK(json_member(&document, 0, "nam") == 0 && json_member(&document, 0, "") == 0);

	uint32_t list = json_member(&document, 0, "list"), at = json_first(&document, list);
	CHECK(json_get_number(&document, at, &number) && number == 7);
	CHECK(json_first(&document, 0) == 0 && json_member(&document, list, "name") == 0);
	at = document.node[at].next;
	CHECK(!json_get_number(&document, at, &number));
	at = document.node[at].next;
	CHECK(json_get_number(&document, at, &number) && number == UINT64_MAX);
	for (at = document.node[at].next; at != 0; at = document.node[at].next)
		CHECK(!json_get_number(&document, at, &number));
	json_document_free(&document);
}

int main(void)
{
	takes();
	refuses();
	gives();
	return 0;
}
