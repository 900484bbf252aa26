/* snapimg diff and patch. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/output_file.h"
#include "format/convert/delta.h"
#include "format/snapimg/commands.h"

/* What to do about an error of the delta's. */
static const char *advice_for(enum delta_error error)
{
	switch (error) {
	case DELTA_OTHER_BASE:
		return "give the image that it was made from";
	case DELTA_OTHER_ZSTD:
		return "fetch the whole image, or patch where it was made";
	case DELTA_NEWER:
		return "use a newer snapimg";
	case DELTA_NOT_A_DELTA:
		return "give a file that snapimg diff wrote";
	case DELTA_NO_MEMORY:
		return "free some";
	default:
		return "fetch it again";
	}
}

static enum exit_status end_output(struct output_file *output, const char *to, const char *about,
                                   enum delta_error error)
{
	enum exit_status status = EXIT_FINE;

	if (error != DELTA_OK && error != DELTA_SINK)
		status =
		        complain(EXIT_REFUSED, "%s: %s: %s", delta_strerror(error), about, advice_for(error));
	else if (error == DELTA_SINK || !output_file_finish(output))
		status = complain(EXIT_REFUSED, "cannot write: %s: %s: %s", to,
		                  output_file_reason(output->error), output_file_advice(output->error));
	output_file_end(output);
	return status;
}

enum exit_status command_diff(const struct command_options *options)
{
	struct image_file base, image;
	struct output_file output;
	enum delta_error error = DELTA_SINK;
	enum exit_status status = open_image(&base, options->path, IMAGE_WHOLE, NULL);

	if (status != EXIT_FINE)
		return status;
	status = open_image(&image, options->second, IMAGE_WHOLE, NULL);
	if (status == EXIT_FINE &&
	    (snapimg_member_count(&base.image) || snapimg_member_count(&image.image))) {
		status = complain(EXIT_REFUSED,
		                  "%s: a tree of processes: no delta can be made of it yet: send the image",
		                  snapimg_member_count(&image.image) ? options->second : options->path);
		image_file_close(&image);
	} else if (status == EXIT_FINE) {
		if (output_file_begin(&output, options->output, 0))
			error = delta_make(&base.image, &image.image, output_file_sink, &output);
		status = end_output(&output, options->output,
		                    error == DELTA_BASE_DATA ? options->path : options->second, error);
		image_file_close(&image);
	}
	image_file_close(&base);
	return status;
}

/* The delta's file in memory, of its own so that nobody changes it meanwhile. */
static enum exit_status read_delta(const char *path, uint8_t **ret_bytes, size_t *ret_size)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat about;
	size_t done = 0;

	if (descriptor < 0)
		return complain(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_READ, "cannot open: %s: %s",
		                path, strerror(errno));
	if (fstat(descriptor, &about) < 0 || !S_ISREG(about.st_mode) || about.st_size == 0) {
		(void)close(descriptor);
		return complain(EXIT_REFUSED, "%s: %s: %s", delta_strerror(DELTA_NOT_A_DELTA), path,
		                advice_for(DELTA_NOT_A_DELTA));
	}
	size_t size = (size_t)about.st_size;
	uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	while (bytes != MAP_FAILED && done < size) {
		ssize_t got = read(descriptor, bytes + done, size - done);

		if (got <= 0)
			break;
		done += (size_t)got;
	}
	(void)close(descriptor);
	if (bytes == MAP_FAILED || done < size) {
		if (bytes != MAP_FAILED)
			(void)munmap(bytes, size);
		return complain(EXIT_CANNOT_READ, "cannot read: %s: it became shorter, or is too large",
		                path);
	}
	*ret_bytes = bytes;
	*ret_size = size;
	return EXIT_FINE;
}

enum exit_status command_patch(const struct command_options *options)
{
	struct image_file base;
	struct output_file output;
	uint8_t *delta = NULL;
	size_t size = 0;
	enum delta_error error = DELTA_SINK;
	enum exit_status status = open_image(&base, options->path, IMAGE_WHOLE, NULL);

	if (status != EXIT_FINE)
		return status;
	status = read_delta(options->second, &delta, &size);
	if (status == EXIT_FINE) {
		if (output_file_begin(&output, options->output, 0))
			error = delta_apply(&base.image, delta, size, output_file_sink, &output);
		status = end_output(&output, options->output,
		                    error == DELTA_BASE_DATA ? options->path : options->second, error);
		(void)munmap(delta, size);
	}
	image_file_close(&base);
	return status;
}
