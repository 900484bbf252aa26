/* snapimg runnable: the loader and the image in one file. */
#include <stdlib.h>

#include "format/base/output_file.h"
#include "format/image/loader.h"
#include "format/snapimg/commands.h"

static enum exit_status write_file(const struct image_file *file, const struct loader_bytes *loader,
                                   const char *to)
{
	enum exit_status status = EXIT_FINE;
	struct output_file output;

	if (!output_file_begin(&output, to, 0) || !output_file_set_mode(&output, LOADER_MODE) ||
	    !output_file_prepend(&output, loader->bytes, loader->size) ||
	    output_file_sink(&output, 0, file->memory, file->size) != 0 || !output_file_finish(&output))
		status = complain(EXIT_REFUSED, "cannot write: %s: %s: %s", to,
		                  output_file_reason(output.error), output_file_advice(output.error));
	output_file_end(&output);
	return status;
}

enum exit_status command_runnable(const struct command_options *options)
{
	struct image_file file;
	struct loader_bytes loader = {0};
	struct loader_failure failure;
	enum exit_status status = open_image(&file, options->path, IMAGE_WHOLE, NULL);

	if (status != EXIT_FINE)
		return status;
	if (snapimg_loader_read(&loader, &failure))
		status = write_file(&file, &loader, options->output);
	else
		status = complain(EXIT_REFUSED, "%s: %s: %s", failure.what, failure.path, failure.advice);
	free(loader.bytes);
	image_file_close(&file);
	return status;
}
