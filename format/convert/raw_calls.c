#include "format/convert/raw_calls.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/facts/raw_code.h"

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

bool has_raw_calls(const struct snapimg *image)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	uint32_t i;

	for (i = 0; i < snapimg_mapping_count(image); i++) {
		/* Of what is in the image by its content, snaptrace has looked (capture/self_contained.c). */
		if (mapping[i].kind != SNAPIMG_MAPPING_FILE || mapping[i].flags & SNAPIMG_MAP_EMBEDDED ||
		    !(mapping[i].protection & SNAPIMG_PROT_EXEC))
			continue;
		const char *path = snapimg_string(image, snapimg_get_file(image)[mapping[i].file - 1].path);
		if (!raw_code_is_of_libc(path) &&
		    file_has_raw_call(path, mapping[i].offset, mapping[i].end - mapping[i].start))
			return true;
	}
	return false;
}
