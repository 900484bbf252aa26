#include "format/image/loader.h"

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/facts/runnable.h"
#include "format/image/layout.h"

enum { LOADER_MAX = 4 << 20 };

static bool name_loader(char path[LOADER_PATH_SIZE])
{
	static const char name[] = "snaprun";
	ssize_t length = readlink("/proc/self/exe", path, LOADER_PATH_SIZE - sizeof(name));

	while (length > 0 && path[length - 1] != '/')
		length--;
	if (length <= 0)
		return false;
	memcpy(path + length, name, sizeof(name));
	return true;
}

static bool read_loader(const char *path, struct loader_bytes *loader)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	bool done = false;

	if (descriptor < 0)
		return false;
	if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= LOADER_MAX &&
	    status.st_size > SNAPIMG_RUNNABLE_HEAD) {
		loader->size = (size_t)status.st_size;
		loader->bytes = malloc(loader->size);
		done = loader->bytes != NULL &&
		       pread(descriptor, loader->bytes, loader->size, 0) == (ssize_t)loader->size;
	}
	(void)close(descriptor);
	return done;
}

/* Only what the kernel loads stays: no symbols, no section headers. */
static bool strip(struct loader_bytes *loader)
{
	Elf64_Ehdr file;
	Elf64_Phdr segment;
	size_t end = 0;

	memcpy(&file, loader->bytes, sizeof(file));
	for (size_t i = 0; i < file.e_phnum; i++) {
		size_t at = file.e_phoff + i * sizeof(segment);

		if (at > loader->size - sizeof(segment))
			return false;
		memcpy(&segment, loader->bytes + at, sizeof(segment));
		if (segment.p_type != PT_LOAD)
			continue;
		if (segment.p_filesz > loader->size || segment.p_offset > loader->size - segment.p_filesz)
			return false;
		if (segment.p_offset + segment.p_filesz > end)
			end = segment.p_offset + segment.p_filesz;
	}
	file.e_shoff = 0;
	file.e_shnum = file.e_shstrndx = file.e_shentsize = 0;
	memcpy(loader->bytes, &file, sizeof(file));
	loader->size = end;
	return end >= SNAPIMG_RUNNABLE_HEAD;
}

/* Fills the last page, and notes where the image begins. */
static bool set_offset(struct loader_bytes *loader)
{
	struct snapimg_runnable_note note;
	size_t at = snapimg_runnable_find(loader->bytes, loader->size);
	size_t pages = (loader->size + SNAPIMG_PAGE_SIZE - 1) / SNAPIMG_PAGE_SIZE;
	uint8_t *whole = at == 0 ? NULL : realloc(loader->bytes, pages * SNAPIMG_PAGE_SIZE);

	if (whole == NULL)
		return false;
	memset(whole + loader->size, 0, pages * SNAPIMG_PAGE_SIZE - loader->size);
	loader->bytes = whole;
	loader->size = pages * SNAPIMG_PAGE_SIZE;
	memcpy(&note, whole + at, sizeof(note));
	note.image_page = (uint32_t)pages;
	memcpy(whole + at, &note, sizeof(note));
	return true;
}

bool snapimg_loader_read(struct loader_bytes *ret_loader, struct loader_failure *ret_failure)
{
	struct loader_failure failure = {0};
	struct loader_bytes loader = {0};

	if (!name_loader(failure.path) || !read_loader(failure.path, &loader)) {
		failure.what = "the loader can't be read";
		failure.advice = "install snaprun beside this program";
	} else if (!strip(&loader) || !set_offset(&loader)) {
		failure.what = "not a loader that an image can be added to";
		failure.advice = "install the snaprun of this version";
	} else {
		*ret_loader = loader;
		return true;
	}
	free(loader.bytes);
	*ret_failure = failure;
	return false;
}
