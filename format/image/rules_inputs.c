/* The rule of inputs: each kind has its own fields, and no others. */
#include "format/image/check.h"

enum { STREAMS = 3, MODE_MAX = 0177777, RESOURCES = 64 };

static bool has_stamp(const struct snapimg_input *input)
{
	return input->kind == SNAPIMG_INPUT_FILE || input->kind == SNAPIMG_INPUT_LISTED ||
	       input->kind == SNAPIMG_INPUT_DIRECTORY;
}

static bool has_owner(const struct snapimg_input *input)
{
	return input->kind == SNAPIMG_INPUT_FILE || input->kind == SNAPIMG_INPUT_LISTED ||
	       input->kind == SNAPIMG_INPUT_PRESENT;
}

static bool value_is_valid(const struct snapimg *image, const struct snapimg_input *input)
{
	switch (input->kind) {
	case SNAPIMG_INPUT_VARIABLE:
		return input->value <= 1 && (input->value == 1 || input->hash == 0);
	case SNAPIMG_INPUT_FILE:
	case SNAPIMG_INPUT_LISTED:
	case SNAPIMG_INPUT_PRESENT:
		return input->value <= MODE_MAX;
	case SNAPIMG_INPUT_ABSENT:
		return input->value >= 1 && input->value <= snapimg_input_count(image) &&
		       snapimg_get_input(image)[input->value - 1].kind == SNAPIMG_INPUT_DIRECTORY;
	case SNAPIMG_INPUT_LINK:
		return input->value <= 1 && (input->value == 1 || input->hash == 0);
	case SNAPIMG_INPUT_RESOURCE:
		return input->value < RESOURCES;
	case SNAPIMG_INPUT_STREAM:
		return input->value < STREAMS && input->hash <= SNAPIMG_STREAM_TERMINAL;
	case SNAPIMG_INPUT_STREAM_TYPE:
	case SNAPIMG_INPUT_TERMINAL_SIZE:
		return input->value < STREAMS;
	default:
		return input->value == 0;
	}
}

enum snapimg_error snapimg_rule_input(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_input *input = snapimg_get_input(image) + index;
	bool is_path = input->kind >= SNAPIMG_INPUT_FILE && input->kind <= SNAPIMG_INPUT_LINK;
	bool has_size = input->kind == SNAPIMG_INPUT_FILE || input->kind == SNAPIMG_INPUT_USER;

	if (!snapimg_string_is_valid(image, input->name))
		return SNAPIMG_ERR_STRING;
	if (input->kind < SNAPIMG_INPUT_VARIABLE || input->kind >= SNAPIMG_INPUT_LIMIT ||
	    (!has_owner(input) && input->owner != 0) || !value_is_valid(image, input) ||
	    (is_path && snapimg_string(image, input->name)[0] != '/') || (!has_size && input->size != 0) ||
	    (!has_stamp(input) && (input->mtime != 0 || input->ctime != 0 || input->inode != 0)))
		return SNAPIMG_ERR_INPUT;
	return SNAPIMG_OK;
}
