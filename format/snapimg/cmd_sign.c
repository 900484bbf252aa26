/* snapimg sign. */
#include <stdlib.h>

#include "format/base/output_file.h"
#include "format/snapimg/commands.h"
#include "format/snapimg/signature.h"

enum exit_status command_sign(const struct command_options *options)
{
	struct image_file file;
	struct output_file output;
	uint8_t *bytes = NULL;
	size_t size = 0;
	enum exit_status status = EXIT_FINE;

	if (options->key == NULL)
		return complain(EXIT_REFUSED, "no key given (--key): sign: see snapimg --help");
	if ((status = open_image(&file, options->path, IMAGE_WHOLE, NULL)) != EXIT_FINE)
		return status;
	status = signature_make(&file, options->path, options->key, &bytes, &size);
	if (status == EXIT_FINE) {
		if (!output_file_begin(&output, options->output, 0) ||
		    output_file_sink(&output, 0, bytes, size) != 0 || !output_file_finish(&output))
			status = complain(EXIT_REFUSED, "cannot write: %s: %s: %s", options->output,
			                  output_file_reason(output.error), output_file_advice(output.error));
		output_file_end(&output);
	}
	free(bytes);
	image_file_close(&file);
	return status;
}
