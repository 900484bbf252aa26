/* snapimg thaw and freeze: the same image with its pages ready to be mapped, or compressed. */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "format/base/output_file.h"
#include "format/base/text.h"
#include "format/convert/repack.h"
#include "format/snapimg/commands.h"

enum { LEVEL = 12 }; /* where the image does not tell the one that it was made with */

static enum exit_status complain_of_output(const char *path, int error)
{
	return complain(EXIT_REFUSED, "cannot write: %s: %s: %s", path, output_file_reason(error),
	                output_file_advice(error));
}

/* "zstd -N", as snaptrace wrote it. */
static int level_of(const struct snapimg *image)
{
	const char *codec = snapimg_string(image, snapimg_get_origin(image)->codec);
	long level = strncmp(codec, "zstd -", 6) == 0 ? strtol(codec + 6, NULL, 10) : LEVEL;

	return level >= 1 && level <= ZSTD_maxCLevel() ? (int)level : LEVEL;
}

static enum exit_status convert(struct image_file *input, const char *path, const char *to,
                                unsigned int flags, const struct thaw_plan *plan)
{
	struct repack_options how = {
	        .plan = plan, .compress = plan == NULL, .level = level_of(&input->image)};
	struct output_file output;
	enum exit_status status = EXIT_FINE;
	enum snapimg_error error = SNAPIMG_ERR_SINK;

	if (output_file_begin(&output, to, flags))
		error = repack(&input->image, &how, output_file_sink, &output, NULL);
	if (error != SNAPIMG_OK && error != SNAPIMG_ERR_SINK)
		status = complain_of_data(path, input, error);
	else if (error == SNAPIMG_ERR_SINK || !output_file_finish(&output))
		status = complain_of_output(to, output.error);
	output_file_end(&output);
	return status;
}

enum exit_status thaw_image(struct image_file *input, const char *path, const char *to, unsigned int flags)
{
	struct thaw_plan plan = {0};
	enum snapimg_error error = thaw_plan_make(&input->image, &plan);
	enum exit_status status = EXIT_FINE;

	if (error != SNAPIMG_OK)
		return complain_of_data(path, input, error);
	status = convert(input, path, to, flags, &plan);
	thaw_plan_free(&plan);
	return status;
}

enum exit_status command_thaw(const struct command_options *options)
{
	struct image_file file;
	enum exit_status status = open_image(&file, options->path, IMAGE_WHOLE, NULL);

	if (status != EXIT_FINE)
		return status;
	status = thaw_image(&file, options->path, options->output, 0);
	image_file_close(&file);
	return status;
}

enum exit_status command_freeze(const struct command_options *options)
{
	struct image_file file;
	enum exit_status status = open_image(&file, options->path, IMAGE_WHOLE, NULL);

	if (status != EXIT_FINE)
		return status;
	status = convert(&file, options->path, options->output, 0, NULL);
	image_file_close(&file);
	return status;
}
