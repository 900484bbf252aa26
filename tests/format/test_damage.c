/* A damaged image is never accepted, and the reader never looks past its end. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check.h"
#include "synthetic.h"

/* The whole verdict: what snapimg_open or else the first bad extent says. */
static enum snapimg_error judge(const void *bytes, uint64_t size)
{
	struct snapimg image;
	enum snapimg_error error = snapimg_open(bytes, size, &image);
	uint32_t i;

	if (error != SNAPIMG_OK)
		return error;
	for (i = 0; i < snapimg_extent_count(&image) && error == SNAPIMG_OK; i++)
		error = snapimg_check_extent(&image, snapimg_get_extent(&image) + i);
	return error;
}

/* Memory of `size` bytes, a multiple of 64, right before a page that is not mapped. */
static uint8_t *map_before_hole(uint64_t size, uint64_t *ret_mapped)
{
	uint64_t mapped = (size + SNAPIMG_PAGE_SIZE - 1) / SNAPIMG_PAGE_SIZE * SNAPIMG_PAGE_SIZE;
	uint8_t *memory = mmap(NULL, mapped + SNAPIMG_PAGE_SIZE, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory + mapped, SNAPIMG_PAGE_SIZE, PROT_NONE) != 0) {
		perror("mmap");
		exit(1);
	}
	*ret_mapped = mapped;
	return memory;
}

/* The reader wants 64-byte alignment, so a cut may leave up to 63 bytes before the hole; the image's size is
 * a multiple of 8 only. Cuts at multiples of 64 lie exactly before it. */
static void test_cuts(const struct memory_image *image)
{
	uint64_t cut, mapped;
	uint8_t *memory = map_before_hole(image->size, &mapped);

	for (cut = 0; cut < image->size; cut++) {
		uint8_t *start = memory + (mapped - cut) / SNAPIMG_ALIGNMENT * SNAPIMG_ALIGNMENT;
		enum snapimg_error error;

		memcpy(start, image->bytes, cut);
		error = judge(start, cut);
		EXPECT_AT(error == (cut == 0 ? SNAPIMG_ERR_EMPTY : SNAPIMG_ERR_TRUNCATED), "cut at %llu: %s",
		          (unsigned long long)cut, snapimg_strerror(error));
	}
	(void)munmap(memory, mapped + SNAPIMG_PAGE_SIZE);
}

/* Cut, and everything in the header and table made right again for the shorter file where it can be. */
static void test_repaired_cuts(const struct memory_image *image)
{
	uint64_t cut, mapped;
	uint8_t *memory = map_before_hole(image->size, &mapped);

	for (cut = SNAPIMG_HEADER_AREA; cut < image->size; cut += 8) {
		uint8_t *start = memory + (mapped - cut) / SNAPIMG_ALIGNMENT * SNAPIMG_ALIGNMENT;
		struct snapimg_header *header = (struct snapimg_header *)(void *)start;

		memcpy(start, image->bytes, cut);
		header->image_size = cut;
		header->section_table_offset = cut - header->section_count * sizeof(struct snapimg_section);
		repair(start, cut);
		EXPECT_AT(judge(start, cut) != SNAPIMG_OK, "cut at %llu", (unsigned long long)cut);
	}
	(void)munmap(memory, mapped + SNAPIMG_PAGE_SIZE);
}

static void test_header_bits(const struct memory_image *image)
{
	struct memory_image copy = memory_copy(image);
	uint32_t bit;

	for (bit = 0; bit < 8 * sizeof(struct snapimg_header); bit++) {
		copy.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		EXPECT_AT(judge(copy.bytes, copy.size) != SNAPIMG_OK, "bit %u", bit);
		copy.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	EXPECT(judge(copy.bytes, copy.size) == SNAPIMG_OK);
	memory_free(&copy);
}

/* Every byte of the file is under some check: one bit of each, then random ones. */
static void test_flips(const struct memory_image *image)
{
	struct memory_image copy = memory_copy(image);
	uint64_t i, state = 88172645463325252;

	for (i = 0; i < copy.size; i++) {
		copy.bytes[i] ^= (uint8_t)(1 << i % 8);
		EXPECT_AT(judge(copy.bytes, copy.size) != SNAPIMG_OK, "byte %llu", (unsigned long long)i);
		copy.bytes[i] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < 10000; i++) {
		uint64_t bit;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		bit = state % (copy.size * 8);
		copy.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		EXPECT_AT(judge(copy.bytes, copy.size) != SNAPIMG_OK, "bit %llu", (unsigned long long)bit);
		copy.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	memory_free(&copy);
}

/* Random bytes with right checksums: nothing may go wrong but the verdict. Memory ends at a hole. */
static void test_repaired_flips(const struct memory_image *image)
{
	uint64_t i, k, mapped, state = 362436069;
	uint8_t *memory = map_before_hole(image->size, &mapped);
	uint8_t *start = memory + (mapped - image->size) / SNAPIMG_ALIGNMENT * SNAPIMG_ALIGNMENT;
	uint64_t metadata = ((const struct snapimg_header *)(const void *)image->bytes)->metadata_offset;

	for (i = 0; i < 10000; i++) {
		memcpy(start, image->bytes, image->size);
		for (k = 0; k <= i % 4; k++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			start[metadata + state % (image->size - metadata)] = (uint8_t)(state >> 32);
		}
		repair(start, image->size);
		(void)judge(start, image->size);
	}
	(void)munmap(memory, mapped + SNAPIMG_PAGE_SIZE);
}

/* Replaces every `from` in the file by `to`, as a text-mode transfer does. */
static enum snapimg_error judge_replaced(const struct memory_image *image, const char *from, size_t from_size,
                                         const char *to, size_t to_size)
{
	struct memory_image changed = {0};
	enum snapimg_error error;
	uint64_t i = 0;

	while (i < image->size) {
		bool is_hit = image->size - i >= from_size && memcmp(image->bytes + i, from, from_size) == 0;

		if (is_hit)
			(void)memory_sink(&changed, changed.size, to, to_size);
		else
			(void)memory_sink(&changed, changed.size, image->bytes + i, 1);
		i += is_hit ? from_size : 1;
	}
	error = judge(changed.bytes, changed.size);
	memory_free(&changed);
	return error;
}

static void test_text_damage(const struct memory_image *image)
{
	struct memory_image copy = memory_copy(image);
	uint64_t i;

	EXPECT(judge_replaced(image, "\r\n", 2, "\n", 1) == SNAPIMG_ERR_TEXT_DAMAGE);
	EXPECT(judge_replaced(image, "\n", 1, "\r\n", 2) == SNAPIMG_ERR_TEXT_DAMAGE);
	EXPECT(judge_replaced(image, "\r", 1, "\n", 1) == SNAPIMG_ERR_TEXT_DAMAGE);
	EXPECT(judge_replaced(image, "\x1a", 1, "", 0) == SNAPIMG_ERR_TEXT_DAMAGE);
	EXPECT(judge_replaced(image, "\x89", 1, "\xc2\x89", 2) == SNAPIMG_ERR_TEXT_DAMAGE);
	EXPECT(judge_replaced(image, "\x89", 1, "\xef\xbf\xbd", 3) == SNAPIMG_ERR_TEXT_DAMAGE);
	for (i = 0; i < copy.size; i++)
		copy.bytes[i] &= 0x7f;
	EXPECT(judge(copy.bytes, copy.size) == SNAPIMG_ERR_TEXT_DAMAGE);
	memory_free(&copy);
}

static void test_other_files(const struct memory_image *image)
{
	struct memory_image longer = memory_copy(image);
	static _Alignas(64) uint8_t text[8192] = "#!/bin/sh\n", zeros[8192];

	EXPECT(judge(text, sizeof(text)) == SNAPIMG_ERR_NOT_AN_IMAGE);
	EXPECT(judge(zeros, sizeof(zeros)) == SNAPIMG_ERR_NOT_AN_IMAGE);
	EXPECT(judge(text, 1) == SNAPIMG_ERR_NOT_AN_IMAGE);
	EXPECT(judge(NULL, 0) == SNAPIMG_ERR_EMPTY);
	EXPECT(memory_sink(&longer, longer.size, "x", 1) == 0);
	EXPECT(judge(longer.bytes, longer.size) == SNAPIMG_ERR_TRAILING);
	memory_free(&longer);
}

/* A newer major has a digest and a layout of its own: its number is told all the same. So for the other
 * refusals. */
static void test_foreign(const struct memory_image *image)
{
	struct memory_image copy = memory_copy(image);
	struct snapimg_header *header = (struct snapimg_header *)(void *)copy.bytes;
	struct snapimg opened;

	header->major = 2;
	EXPECT(judge(copy.bytes, copy.size) == SNAPIMG_ERR_NEWER_MAJOR);
	header->major = SNAPIMG_MAJOR;
	header->architecture = 183;
	EXPECT(judge(copy.bytes, copy.size) == SNAPIMG_ERR_ARCHITECTURE);
	header->architecture = SNAPIMG_ARCH_X86_64;
	header->page_size = 65536;
	EXPECT(judge(copy.bytes, copy.size) == SNAPIMG_ERR_PAGE_SIZE);
	header->page_size = SNAPIMG_PAGE_SIZE;
	header->required_features |= UINT64_C(1) << 40 | UINT64_C(1) << 50;
	EXPECT(snapimg_open(copy.bytes, copy.size, &opened) == SNAPIMG_ERR_FEATURE &&
	       opened.failed_index == 40);
	memory_free(&copy);
}

/* Which check it is that sees damage of page data. */
static void test_page_data(const struct memory_image *image)
{
	struct memory_image copy = memory_copy(image);

	copy.bytes[SNAPIMG_HEADER_AREA] ^= 1;
	EXPECT(judge(copy.bytes, copy.size) == SNAPIMG_ERR_EXTENT_CHECKSUM);
	copy.bytes[SNAPIMG_HEADER_AREA] ^= 1;
	copy.bytes[SNAPIMG_HEADER_AREA + SYNTHETIC_FRAME] ^= 1;
	EXPECT(judge(copy.bytes, copy.size) == SNAPIMG_ERR_PADDING);
	memory_free(&copy);
}

static void test_names(void)
{
	EXPECT(strcmp(snapimg_strerror(SNAPIMG_OK), "no error") == 0);
	EXPECT(strcmp(snapimg_strerror((enum snapimg_error)9999), "unknown error") == 0);
	EXPECT(strcmp(snapimg_section_name(SNAPIMG_SECTION_MAPPINGS), "mappings") == 0);
	EXPECT(strcmp(snapimg_section_name(0), "?") == 0 &&
	       strcmp(snapimg_section_name(UINT32_MAX), "?") == 0);
}

int main(void)
{
	struct memory_image image = {0};

	EXPECT(synthetic_image(&image, NULL) == SNAPIMG_OK);
	test_cuts(&image);
	test_repaired_cuts(&image);
	test_header_bits(&image);
	test_flips(&image);
	test_repaired_flips(&image);
	test_text_damage(&image);
	test_other_files(&image);
	test_foreign(&image);
	test_page_data(&image);
	test_names();
	memory_free(&image);
	return check_result();
}
