#include "format/convert/raw_calls.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/convert/by_all.h"
#include "format/facts/raw_code.h"

/* Starting a thread takes about as long as looking through some hundred KiB. */
enum { WORTH_A_THREAD = 1 << 20, PIECE = 128 << 10 };

/* A file that can't be looked into can't be started from either. It is read piece by piece, each of which
 * stays in the processor's cache; mapping it would take longer, and threads that map wait for each other. */
static bool file_has_raw_call(const char *path, uint64_t offset, uint64_t size, uint8_t piece[PIECE])
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	bool has = false;

	if (descriptor < 0)
		return false;
	bool is_done = fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode);
	for (uint64_t at = 0; !has && !is_done; at += PIECE - RAW_CODE_OVERLAP) {
		size_t wanted = size - at < PIECE ? size - at : PIECE;
		ssize_t there = pread(descriptor, piece, wanted, (off_t)(offset + at));

		has = there > 0 && raw_code_calls(piece, (size_t)there);
		is_done = there < PIECE || size - at <= PIECE;
	}
	(void)close(descriptor);
	return has;
}

/* The code of the image's files that is to be looked into, shared out. */
struct search {
	const struct snapimg *image;
	uint32_t next; /* mapping that nobody has taken */
	bool found;    /* in one: nobody need look further */
};

/* Of what is in the image by its content, snaptrace has looked (capture/self_contained.c). */
static const char *to_look_into(const struct snapimg *image, const struct snapimg_mapping *mapping)
{
	if (mapping->kind != SNAPIMG_MAPPING_FILE || mapping->flags & SNAPIMG_MAP_EMBEDDED ||
	    !(mapping->protection & SNAPIMG_PROT_EXEC))
		return NULL;
	const char *path = snapimg_string(image, snapimg_get_file(image)[mapping->file - 1].path);
	return raw_code_is_of_libc(path) ? NULL : path;
}

static void *look(void *argument)
{
	struct search *search = argument;
	const struct snapimg_mapping *mapping = snapimg_get_mapping(search->image);
	uint8_t *piece = malloc(PIECE);

	if (piece == NULL) /* then memory is copied: that is right for any program */
		__atomic_store_n(&search->found, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&search->found, __ATOMIC_RELAXED)) {
		uint32_t i = __atomic_fetch_add(&search->next, 1, __ATOMIC_RELAXED);

		if (i >= snapimg_mapping_count(search->image))
			break;
		const char *path = to_look_into(search->image, &mapping[i]);
		if (path != NULL &&
		    file_has_raw_call(path, mapping[i].offset, mapping[i].end - mapping[i].start, piece))
			__atomic_store_n(&search->found, true, __ATOMIC_RELAXED);
	}
	free(piece);
	return NULL;
}

bool has_raw_calls(const struct snapimg *image)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	struct search search = {.image = image};
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < snapimg_mapping_count(image); i++)
		if (to_look_into(image, &mapping[i]) != NULL)
			bytes += mapping[i].end - mapping[i].start;
	by_all(look, &search, by_all_helpers(bytes, WORTH_A_THREAD));
	return search.found;
}
