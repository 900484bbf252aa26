/* test_golden V1.0 V1.1 PRESENT TREE: the reader accepts the golden images with what they are known to hold,
 * and the writer still gives the bytes of the present ones. When it fails, the format has changed: see
 * CONTRIBUTING.md. */
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "synthetic.h"

/* What names the image of each earlier version for good. */
static const struct golden {
	size_t size;
	uint8_t digest[SNAPIMG_DIGEST_SIZE];
} goldens[] = {
        {21736,
         {0x97, 0x16, 0x3f, 0x67, 0xd8, 0x1e, 0x8e, 0x42, 0xc9, 0x83, 0xe6, 0x25, 0x79, 0x07, 0x92, 0xe6}},
        {22176,
         {0x9f, 0x80, 0x42, 0xe6, 0x8d, 0x74, 0xe0, 0x97, 0x9a, 0xa1, 0x52, 0x46, 0x73, 0x95, 0x5f, 0xcc}},
};
enum { GOLDENS = sizeof(goldens) / sizeof(*goldens) };

static struct memory_image read_file(const char *path)
{
	struct memory_image image = {0};
	FILE *file = fopen(path, "rb");
	char bytes[4096];
	size_t got;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	while ((got = fread(bytes, 1, sizeof(bytes), file)) > 0)
		EXPECT(memory_sink(&image, image.size, bytes, got) == 0);
	EXPECT(fclose(file) == 0);
	return image;
}

static void check_content(const struct snapimg *image, uint32_t minor)
{
	EXPECT(image->header->major == 1 && image->header->minor == minor);
	EXPECT(snapimg_get_thread(image)->registers.rip == 0x401000);
	EXPECT(strcmp(snapimg_string(image, snapimg_get_process(image)->executable), "/usr/bin/prog") == 0);
	for (uint32_t i = 0; i < snapimg_extent_count(image); i++)
		EXPECT(snapimg_check_extent(image, snapimg_get_extent(image) + i) == SNAPIMG_OK);
}

static void test_old(const char *path, uint32_t minor)
{
	struct memory_image golden = read_file(path);
	struct snapimg image;
	enum snapimg_error error = snapimg_open(golden.bytes, golden.size, &image);

	EXPECT(golden.size == goldens[minor].size);
	EXPECT(error == SNAPIMG_OK);
	if (error == SNAPIMG_OK) {
		EXPECT(memcmp(image.header->digest, goldens[minor].digest, SNAPIMG_DIGEST_SIZE) == 0);
		check_content(&image, minor);
	}
	memory_free(&golden);
}

static void test_present(const char *path)
{
	struct memory_image golden = read_file(path), written = {0};
	struct snapimg image;
	enum snapimg_error error = snapimg_open(golden.bytes, golden.size, &image);

	EXPECT(error == SNAPIMG_OK);
	if (error == SNAPIMG_OK)
		check_content(&image, SNAPIMG_MINOR);
	EXPECT(synthetic_image(&written, NULL) == SNAPIMG_OK);
	EXPECT(written.size == golden.size && memcmp(written.bytes, golden.bytes, golden.size) == 0);
	memory_free(&golden);
	memory_free(&written);
}

/* Each process's image can be read by itself, too. */
static void test_tree(const char *path)
{
	struct memory_image golden = read_file(path), written = {0};
	struct snapimg image, own;
	enum snapimg_error error = snapimg_open(golden.bytes, golden.size, &image);

	EXPECT(error == SNAPIMG_OK);
	EXPECT(synthetic_tree(&written) == SNAPIMG_OK);
	EXPECT(written.size == golden.size && memcmp(written.bytes, golden.bytes, golden.size) == 0);
	EXPECT(error != SNAPIMG_OK || snapimg_member_count(&image) == SYNTHETIC_MEMBERS);
	for (uint32_t i = 0; error == SNAPIMG_OK && i < SYNTHETIC_MEMBERS; i++) {
		const struct snapimg_member *member = snapimg_get_member(&image) + i;
		if (member->size == 0)
			continue;
		EXPECT(snapimg_open(golden.bytes + member->offset, member->size, &own) == SNAPIMG_OK);
		check_content(&own, SNAPIMG_MINOR);
		EXPECT(memcmp(own.header->digest, member->digest, sizeof(member->digest)) == 0);
	}
	memory_free(&golden);
	memory_free(&written);
}

int main(int argc, char **argv)
{
	if (argc != GOLDENS + 3)
		return 1;
	for (uint32_t minor = 0; minor < GOLDENS; minor++)
		test_old(argv[1 + minor], minor);
	test_present(argv[1 + GOLDENS]);
	test_tree(argv[2 + GOLDENS]);
	return check_result();
}
