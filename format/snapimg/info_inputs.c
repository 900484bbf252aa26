/* What a warm program had read: the part of `info` about INPUTS. */
#include <inttypes.h>
#include <stdio.h>

#include "format/base/text.h"
#include "format/snapimg/info.h"

static void print_input(const struct snapimg *image, const struct snapimg_input *input)
{
	const char *name = snapimg_string(image, input->name);

	printf("%s%s", snapimg_input_name(input->kind), *name ? " " : "");
	text_print(stdout, name);
	if ((input->kind >= SNAPIMG_INPUT_STREAM && input->kind <= SNAPIMG_INPUT_TERMINAL_SIZE) ||
	    input->kind == SNAPIMG_INPUT_RESOURCE)
		printf(" %" PRIu32, input->value);
	if (input->kind == SNAPIMG_INPUT_VARIABLES)
		(void)putchar('*');
	puts(input->value != 0                       ? ""
	     : input->kind == SNAPIMG_INPUT_VARIABLE ? ", not set"
	     : input->kind == SNAPIMG_INPUT_LINK     ? ", not a link"
	                                             : "");
}

void info_print_inputs(const struct snapimg *image)
{
	const struct snapimg_input *input = snapimg_get_input(image);
	uint32_t i;

	if (snapimg_input_count(image) > 0)
		puts("\nhad read, or looked for:");
	for (i = 0; i < snapimg_input_count(image); i++) {
		if (input[i].kind == SNAPIMG_INPUT_DIRECTORY)
			continue;
		(void)fputs("            ", stdout);
		print_input(image, &input[i]);
	}
}

void info_put_inputs(struct json *json, const struct snapimg *image)
{
	const struct snapimg_input *input = snapimg_get_input(image);
	uint32_t i;

	if (snapimg_input_count(image) == 0)
		return;
	json_open(json, "inputs", '[');
	for (i = 0; i < snapimg_input_count(image); i++) {
		json_open(json, NULL, '{');
		json_string(json, "kind", snapimg_input_name(input[i].kind));
		json_string(json, "name", snapimg_string(image, input[i].name));
		json_number(json, "value", input[i].value);
		json_close(json, '}');
	}
	json_close(json, ']');
}
