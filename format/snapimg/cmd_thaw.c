/* snapimg thaw, freeze and core. */
#include "format/base/output_file.h"
#include "format/convert/core.h"
#include "format/convert/thaw.h"
#include "format/snapimg/commands.h"

enum exit_status finish_image(struct image_file *input, const char *path, struct output_file *output,
                              enum snapimg_error error)
{
	enum exit_status status = EXIT_FINE;

	if (error != SNAPIMG_OK && error != SNAPIMG_ERR_SINK)
		status = complain_of_data(path, input, error);
	else if (error == SNAPIMG_ERR_SINK || !output_file_finish(output))
		status = complain(EXIT_REFUSED, "cannot write: %s: %s: %s", output->path,
		                  output_file_reason(output->error), output_file_advice(output->error));
	output_file_end(output);
	return status;
}

enum exit_status write_image(struct image_file *input, const char *path, const char *to, unsigned int flags,
                             image_conversion *convert)
{
	enum snapimg_error error = SNAPIMG_ERR_SINK;
	struct output_file output;

	if (output_file_begin(&output, to, flags))
		error = convert(&input->image, output_file_sink, &output);
	return finish_image(input, path, &output, error);
}

static enum exit_status convert_file(const struct command_options *options, image_conversion *convert)
{
	struct image_file file;
	enum exit_status status = open_image(&file, options->path, IMAGE_WHOLE, NULL);

	if (status != EXIT_FINE)
		return status;
	status = write_image(&file, options->path, options->output, 0, convert);
	image_file_close(&file);
	return status;
}

enum exit_status command_thaw(const struct command_options *options)
{
	return convert_file(options, image_thaw);
}

enum exit_status command_freeze(const struct command_options *options)
{
	return convert_file(options, image_freeze);
}

enum exit_status command_core(const struct command_options *options)
{
	return convert_file(options, image_core);
}
