/* make_golden FILE: writes the golden image of this version of the format.
 * make_golden --corpus DIRECTORY: writes it as seeds for fuzz_reader, which takes a byte of its own first. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "synthetic.h"

static int write_file(const char *path, const char *prefix, size_t prefix_size,
                      const struct memory_image *image)
{
	FILE *file = fopen(path, "wb");

	if (file == NULL || fwrite(prefix, 1, prefix_size, file) != prefix_size ||
	    fwrite(image->bytes, 1, image->size, file) != image->size || fclose(file) != 0) {
		perror(path);
		return 1;
	}
	return 0;
}

static int write_corpus(const char *directory, const struct memory_image *image)
{
	char path[4096], prefix;
	int result = 0;

	(void)mkdir(directory, 0777);
	for (prefix = 0; prefix < 2; prefix++) {
		(void)snprintf(path, sizeof(path), "%s/golden-%d", directory, prefix);
		result |= write_file(path, &prefix, 1, image);
	}
	return result;
}

int main(int argc, char **argv)
{
	struct memory_image image = {0};
	int result;

	if (argc < 2 || synthetic_image(&image, NULL) != SNAPIMG_OK) {
		fputs("usage: make_golden FILE | --corpus DIRECTORY\n", stderr);
		return 1;
	}
	if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
		result = write_corpus(argv[2], &image);
	else
		result = write_file(argv[1], "", 0, &image);
	memory_free(&image);
	return result;
}
