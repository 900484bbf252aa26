/* Reads one JSON document (RFC 8259), which nobody is trusted for: limits are below, all else is refused. */
#ifndef FORMAT_BASE_JSON_READ_H
#define FORMAT_BASE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 32, JSON_NODES_MAX = 1 << 20 };

/* X is JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_OTHER (a number, true, false, null) or a member's
 * JSON_NAME. */
enum json_kind { JSON_OBJECT = 1, JSON_ARRAY, JSON_STRING, JSON_OTHER, JSON_NAME };

/* Nodes are named by their index; 0, the document itself, is nobody's child, and so stands for "none". */
struct json_node {
	enum json_kind kind;
	uint32_t start, end;  /* its text, a string's with its quotes */
	uint32_t first, next; /* its first child, a name's value; the next one of its parent; 0: none */
};

struct json_document {
	const char *text;       /* borrowed */
	struct json_node *node; /* owned */
	size_t count;
};

/* False: it is none, or beyond the limits, or out of memory. */
bool json_parse(const char *text, size_t size, struct json_document *ret_document)
        __attribute__((warn_unused_result));
void json_document_free(struct json_document *document);

/* The value of a member of an object, whose name has no escapes; 0: none. */
uint32_t json_member(const struct json_document *document, uint32_t object, const char *name);
/* The first element of an array, or 0. */
uint32_t json_first(const struct json_document *document, uint32_t array);

/* The string without its quotes and escapes, NUL-terminated. False: it is none, has a NUL or a surrogate, or
 * does not fit. */
bool json_get_string(const struct json_document *document, uint32_t node, char *text, size_t room)
        __attribute__((warn_unused_result));
/* False: it is no whole number of 64 bits without a sign. */
bool json_get_number(const struct json_document *document, uint32_t node, uint64_t *ret_number)
        __attribute__((warn_unused_result));

#endif
