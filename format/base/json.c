#include "format/base/json.h"

#include <inttypes.h>

#include "format/base/text.h"

static void put_line(struct json *json)
{
	(void)fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
}

static void begin(struct json *json, const char *name)
{
	if (json->is_filled)
		(void)fputc(',', json->out);
	if (json->depth > 0)
		put_line(json);
	json->is_filled = true;
	if (name != NULL) {
		text_print_json(json->out, name);
		(void)fputs(": ", json->out);
	}
}

void json_open(struct json *json, const char *name, char bracket)
{
	begin(json, name);
	(void)fputc(bracket, json->out);
	json->depth++;
	json->is_filled = false;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (json->is_filled)
		put_line(json);
	(void)fputc(bracket, json->out);
	json->is_filled = true;
	if (json->depth == 0)
		(void)fputc('\n', json->out);
}

void json_string(struct json *json, const char *name, const char *text)
{
	begin(json, name);
	text_print_json(json->out, text);
}

void json_number(struct json *json, const char *name, uint64_t number)
{
	begin(json, name);
	(void)fprintf(json->out, "%" PRIu64, number);
}

void json_signed(struct json *json, const char *name, int64_t number)
{
	begin(json, name);
	(void)fprintf(json->out, "%" PRId64, number);
}

void json_real(struct json *json, const char *name, double number)
{
	begin(json, name);
	(void)fprintf(json->out, "%.2f", number);
}

void json_bool(struct json *json, const char *name, bool value)
{
	begin(json, name);
	(void)fputs(value ? "true" : "false", json->out);
}

void json_verbatim(struct json *json, const char *text, size_t size)
{
	begin(json, NULL);
	(void)fwrite(text, 1, size, json->out);
}

void json_null(struct json *json, const char *name)
{
	begin(json, name);
	(void)fputs("null", json->out);
}

void json_address(struct json *json, const char *name, uint64_t address)
{
	begin(json, name);
	(void)fprintf(json->out, "\"0x%" PRIx64 "\"", address);
}
