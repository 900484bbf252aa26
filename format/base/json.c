#include "format/base/json.h"

#include <inttypes.h>

#include "format/base/text.h"

static void put_text(FILE *out, const char *text)
{
	const uint8_t *byte = (const uint8_t *)text;

	(void)fputc('"', out);
	while (*byte != 0) {
		size_t length = text_utf8_length(byte);

		if (length == 0)
			(void)fprintf(out, "\\udc%02x", *byte);
		else if (*byte == '"' || *byte == '\\')
			(void)fprintf(out, "\\%c", *byte);
		else if (*byte < 0x20 || *byte == 0x7f)
			(void)fprintf(out, "\\u%04x", *byte);
		else
			(void)fwrite(byte, 1, length, out);
		byte += length == 0 ? 1 : length;
	}
	(void)fputc('"', out);
}

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
		put_text(json->out, name);
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
	put_text(json->out, text);
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
