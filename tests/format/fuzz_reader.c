/*
 * Fuzzes the reader. Each input is judged as it is, and once more with its
 * checksums and digest made right, so that the rules after them are reached.
 * What is accepted is then used as the tools use it. Seeds: the golden images.
 */
#include <stdlib.h>
#include <string.h>

#include "synthetic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static void use(const struct snapimg *image)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	const struct snapimg_run *run = snapimg_get_run(image);
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	uint64_t sum = 0;
	uint32_t i, k;

	for (i = 0; i < snapimg_mapping_count(image); i++) {
		sum += strlen(snapimg_string(image, mapping[i].name));
		for (k = 0; k < mapping[i].run_count; k++)
			sum += run[mapping[i].run_first + k].pages;
	}
	for (i = 0; i < snapimg_extent_count(image); i++)
		sum += (uint64_t)snapimg_check_extent(image, &extent[i]);
	for (i = 0; i < snapimg_file_count(image); i++)
		sum += (uint8_t)snapimg_string(image, snapimg_get_file(image)[i].path)[0];
	for (i = 0; i < snapimg_thread_count(image); i++)
		sum += *((const uint8_t *)image->section[SNAPIMG_SECTION_XSTATE].bytes +
		         snapimg_get_thread(image)[i].xstate_offset +
		         snapimg_get_machine(image)->xstate_size - 1);
	sink = sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A block of its own, as long as the input, so that the sanitizer sees a read past the end. */
	uint8_t *bytes = NULL;
	struct snapimg image;

	if (posix_memalign((void **)&bytes, SNAPIMG_ALIGNMENT, size == 0 ? 1 : size) != 0)
		return 0;
	if (size > 0)
		memcpy(bytes, data, size);
	if (snapimg_open(bytes, size, &image) == SNAPIMG_OK)
		use(&image);
	repair(bytes, size);
	if (snapimg_open(bytes, size, &image) == SNAPIMG_OK)
		use(&image);
	free(bytes);
	return 0;
}
