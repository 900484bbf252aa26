/* An image of a process that never was, with every kind of record; the golden image is one. Also what tests
 * need to change images. */
#ifndef TESTS_FORMAT_SYNTHETIC_H
#define TESTS_FORMAT_SYNTHETIC_H

#include "format/image/reader.h"
#include "format/image/writer.h"

struct memory_image {
	uint8_t *bytes; /* aligned to a page; synthetic_free gives it back */
	uint64_t size;
	uint64_t capacity;
};

/* A snapimg_sink into struct memory_image. */
int memory_sink(void *context, uint64_t offset, const void *bytes, size_t size);
void memory_free(struct memory_image *image);
/* A copy of its own. Ends the test program when out of memory. */
struct memory_image memory_copy(const struct memory_image *image);

/* Puts everything but the _finish. */
enum snapimg_error synthetic_put(struct snapimg_writer *writer);
/* Writes it whole. */
enum snapimg_error synthetic_image(struct memory_image *ret_image, uint8_t digest[SNAPIMG_DIGEST_SIZE]);

/* The same process with its pages ready to be mapped. */
enum snapimg_error synthetic_thawed(struct memory_image *ret_image);

/* It and three more, which are as it is. */
enum snapimg_error synthetic_tree(struct memory_image *ret_image);

enum {
	SYNTHETIC_MEMBERS = 4,
	SYNTHETIC_FILES = 3,
	SYNTHETIC_MAPPINGS = 10,
	SYNTHETIC_RUNS = 8,
	SYNTHETIC_EXTENTS = 4,
	SYNTHETIC_THREADS = 2,
	SYNTHETIC_DESCRIPTORS = 6,
	SYNTHETIC_XSTATE = 832,
	SYNTHETIC_FRAME = 17, /* bytes of one of its zstd frames */
};
#define SYNTHETIC_TASK_SIZE UINT64_C(0x7ffffffff000)

/* Makes checksums of sections and the digest right again, as far as header and table can be followed. Any
 * bytes may be given. */
void repair(uint8_t *bytes, uint64_t size);

#endif
