#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synthetic.h"

int memory_sink(void *context, uint64_t offset, const void *bytes, size_t size)
{
	struct memory_image *image = context;

	if (offset + size > image->capacity) {
		uint64_t capacity =
		        (offset + size) * 2 / SNAPIMG_PAGE_SIZE * SNAPIMG_PAGE_SIZE + SNAPIMG_PAGE_SIZE;
		uint8_t *grown = aligned_alloc(SNAPIMG_PAGE_SIZE, capacity);

		if (grown == NULL)
			return -1;
		memset(grown, 0, capacity);
		if (image->size > 0)
			memcpy(grown, image->bytes, image->size);
		free(image->bytes);
		image->bytes = grown;
		image->capacity = capacity;
	}
	memcpy(image->bytes + offset, bytes, size);
	if (offset + size > image->size)
		image->size = offset + size;
	return 0;
}

void memory_free(struct memory_image *image)
{
	free(image->bytes);
	*image = (struct memory_image){0};
}

struct memory_image memory_copy(const struct memory_image *image)
{
	struct memory_image copy = {0};

	if (memory_sink(&copy, 0, image->bytes, image->size) != 0) {
		perror("memory_copy");
		exit(1);
	}
	return copy;
}
