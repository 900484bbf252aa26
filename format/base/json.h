/* Writes one JSON document, two blanks a level. Names are NULL in arrays. */
#ifndef FORMAT_BASE_JSON_H
#define FORMAT_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	unsigned depth;
	bool is_filled; /* the innermost container has a member */
};

void json_open(struct json *json, const char *name, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket); /* '}' or ']'; after the last, a line end */

void json_string(struct json *json, const char *name, const char *text);
void json_number(struct json *json, const char *name, uint64_t number);
void json_signed(struct json *json, const char *name, int64_t number);
void json_real(struct json *json, const char *name, double number); /* two decimals */
void json_bool(struct json *json, const char *name, bool value);
/* A value that is JSON already. */
void json_verbatim(struct json *json, const char *text, size_t size);
void json_null(struct json *json, const char *name);
/* A string "0x…", as JSON numbers are often read as doubles. */
void json_address(struct json *json, const char *name, uint64_t address);

#endif
