/* make_golden FILE: writes the golden image of this version of the format.
 * make_golden FILE frame: the same with a wrong zstd frame, and all checksums right.
 * make_golden FILE tree: a tree of such processes. */
#include <stdio.h>
#include <string.h>

#include "format/facts/checksum.h"
#include "synthetic.h"

/* The block's byte changes, the frame's own checksum does not. */
static void damage_frame(struct memory_image *image)
{
	const uint32_t byte_of_block = 12;
	struct snapimg opened;
	struct snapimg_extent *extent;

	if (snapimg_open(image->bytes, image->size, &opened) != SNAPIMG_OK)
		return;
	extent = (struct snapimg_extent *)(void *)(image->bytes +
	                                           ((const uint8_t *)snapimg_get_extent(&opened) -
	                                            image->bytes));
	image->bytes[extent->offset + byte_of_block] ^= 1;
	extent->checksum = snapimg_checksum(image->bytes + extent->offset, extent->stored_size);
	repair(image->bytes, image->size);
}

int main(int argc, char **argv)
{
	struct memory_image image = {0};
	FILE *file;

	bool is_tree = argc == 3 && strcmp(argv[2], "tree") == 0;

	if (argc < 2 || (is_tree ? synthetic_tree(&image) : synthetic_image(&image, NULL)) != SNAPIMG_OK) {
		fputs("usage: make_golden FILE [frame|tree]\n", stderr);
		return 1;
	}
	if (argc == 3 && strcmp(argv[2], "frame") == 0)
		damage_frame(&image);
	file = fopen(argv[1], "wb");
	if (file == NULL || fwrite(image.bytes, 1, image.size, file) != image.size || fclose(file) != 0) {
		perror(argv[1]);
		return 1;
	}
	memory_free(&image);
	return 0;
}
