#include "format/base/text.h"
#include "format/snapimg/info.h"
#include "format/snapimg/signature.h"

enum exit_status command_info(const struct command_options *options)
{
	char sha256_text[2 * SNAPIMG_SHA256_SIZE + 1];
	uint8_t sha256[SNAPIMG_SHA256_SIZE];
	struct image_file file;
	enum exit_status status = open_image(&file, options->path, IMAGE_WHOLE, NULL);

	if (status != EXIT_FINE)
		return status;
	if ((status = signature_name(&file, sha256)) == EXIT_FINE) {
		(void)text_hex(sha256_text, sha256, sizeof(sha256));
		if (options->json)
			info_put_json(&file.image, options->path, sha256_text);
		else
			info_print_text(&file.image, options->path, sha256_text);
	}
	image_file_close(&file);
	return status;
}
