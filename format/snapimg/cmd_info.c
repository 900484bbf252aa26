#include "format/snapimg/info.h"

enum exit_status command_info(const struct command_options *options)
{
	struct image_file file;
	enum exit_status status = open_image(&file, options->path, IMAGE_RECORDS, NULL);

	if (status != EXIT_FINE)
		return status;
	if (options->json)
		info_put_json(&file.image, options->path);
	else
		info_print_text(&file.image, options->path);
	image_file_close(&file);
	return EXIT_FINE;
}
