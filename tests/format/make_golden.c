/* make_golden FILE: writes the golden image of this version of the format. */
#include <stdio.h>

#include "synthetic.h"

int main(int argc, char **argv)
{
	struct memory_image image = {0};
	FILE *file;

	if (argc != 2 || synthetic_image(&image, NULL) != SNAPIMG_OK) {
		fputs("usage: make_golden FILE\n", stderr);
		return 1;
	}
	file = fopen(argv[1], "wb");
	if (file == NULL || fwrite(image.bytes, 1, image.size, file) != image.size || fclose(file) != 0) {
		perror(argv[1]);
		return 1;
	}
	memory_free(&image);
	return 0;
}
