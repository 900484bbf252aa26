#include "format/convert/raw_calls.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/convert/by_all.h"
#include "format/facts/raw_code.h"

/* Starting a thread takes about as long as looking through some hundred KiB. */
enum { WORTH_A_THREAD = 1 << 20 };

/* A file that can't be looked into can't be started from either. */
static bool file_has_raw_call(const char *path, uint64_t offset, uint64_t size)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	bool has = false;

	if (descriptor < 0)
		return false;
	if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size > offset) {
		uint64_t there = (uint64_t)status.st_size - offset;
		size_t length = size < there ? size : there;
		/* All of it is read: that takes less than a fault for each piece. */
		void *code =
		        mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, (off_t)offset);

		if (code != MAP_FAILED) {
			has = raw_code_calls(code, length);
			(void)munmap(code, length);
		}
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

	while (!__atomic_load_n(&search->found, __ATOMIC_RELAXED)) {
		uint32_t i = __atomic_fetch_add(&search->next, 1, __ATOMIC_RELAXED);

		if (i >= snapimg_mapping_count(search->image))
			break;
		const char *path = to_look_into(search->image, &mapping[i]);
		if (path != NULL &&
		    file_has_raw_call(path, mapping[i].offset, mapping[i].end - mapping[i].start))
			__atomic_store_n(&search->found, true, __ATOMIC_RELAXED);
	}
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
