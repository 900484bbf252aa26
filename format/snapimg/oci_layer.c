/* The layer of a container image: a tar of libarchive's. */
#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "format/snapimg/oci_documents.h"

/* Loaded when it is needed: with all that it needs itself it would make each other command 5 ms slower. */
#define LIBRARY "libarchive.so.13"
#define FUNCTIONS(X)                                                                                         \
	X(archive_write_new)                                                                                 \
	X(archive_write_set_format_pax_restricted)                                                           \
	X(archive_write_set_bytes_in_last_block)                                                             \
	X(archive_write_open_memory)                                                                         \
	X(archive_write_header)                                                                              \
	X(archive_write_data)                                                                                \
	X(archive_write_close)                                                                               \
	X(archive_write_free)                                                                                \
	X(archive_entry_new)                                                                                 \
	X(archive_entry_free)                                                                                \
	X(archive_entry_set_pathname)                                                                        \
	X(archive_entry_set_filetype)                                                                        \
	X(archive_entry_set_perm)                                                                            \
	X(archive_entry_set_size)                                                                            \
	X(archive_entry_set_mtime)

static struct {
#define X(function) __typeof__(function) *(function);
	FUNCTIONS(X)
#undef X
} library;

static bool load(void)
{
	void *loaded = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	bool found = loaded != NULL;

#define X(name) found = found && (*(void **)&library.name = dlsym(loaded, #name)) != NULL;
	FUNCTIONS(X)
#undef X
	return found;
}

enum { DIRECTORY_MODE = 0755, SHARED_MODE = 01777, RUNNABLE_MODE = 0755, HEADERS_ROOM = 1 << 20 };

struct layer {
	struct archive *archive;
	time_t time;
};

static bool put(const struct layer *layer, const char *path, unsigned int type, mode_t mode, size_t size)
{
	struct archive_entry *entry = library.archive_entry_new();
	bool done = entry != NULL;

	if (done) {
		library.archive_entry_set_pathname(entry, path);
		library.archive_entry_set_filetype(entry, type);
		library.archive_entry_set_perm(entry, mode);
		library.archive_entry_set_size(entry, (la_int64_t)size);
		library.archive_entry_set_mtime(entry, layer->time, 0);
		done = library.archive_write_header(layer->archive, entry) == ARCHIVE_OK;
		library.archive_entry_free(entry);
	}
	return done;
}

/* The working directory and those above it, but for what is made otherwise. */
static bool put_cwd(const struct layer *layer, const char *cwd)
{
	char *path = strdup(cwd[0] == '/' ? cwd + 1 : "");
	bool done = path != NULL;

	for (char *slash = path; done && slash != NULL && *path != '\0';) {
		slash = strchr(slash, '/');
		if (slash != NULL)
			*slash = '\0';
		if (strcmp(path, "tmp") != 0 && strcmp(path, "bin") != 0)
			done = put(layer, path, AE_IFDIR, DIRECTORY_MODE, 0);
		if (slash != NULL)
			*slash++ = '/';
	}
	free(path);
	return done;
}

static bool fill(const struct layer *layer, const struct about *about, const void *head, size_t head_size)
{
	const struct snapimg *image = about->image;
	char path[NAME_MAX + 8];

	(void)snprintf(path, sizeof(path), "bin/%s", about->name);
	return put(layer, "bin", AE_IFDIR, DIRECTORY_MODE, 0) &&
	       put(layer, "tmp", AE_IFDIR, SHARED_MODE, 0) &&
	       put_cwd(layer, snapimg_string(image, snapimg_get_process(image)->cwd)) &&
	       put(layer, path, AE_IFREG, RUNNABLE_MODE, head_size + image->size) &&
	       library.archive_write_data(layer->archive, head, head_size) == (la_ssize_t)head_size &&
	       library.archive_write_data(layer->archive, image->base, image->size) ==
	               (la_ssize_t)image->size &&
	       library.archive_write_close(layer->archive) == ARCHIVE_OK;
}

enum exit_status container_layer(const struct about *about, const void *head, size_t head_size,
                                 void **ret_bytes, size_t *ret_size, size_t *ret_room)
{
	size_t room = head_size + about->image->size + HEADERS_ROOM, used = 0;
	int64_t created = snapimg_get_origin(about->image)->created_seconds;
	struct layer layer = {.time = created > 0 ? (time_t)created : 0};

	if (!load())
		return complain(EXIT_REFUSED, "cannot make a tar: %s: install Debian's libarchive13",
		                LIBRARY);
	void *bytes =
	        mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	layer.archive = library.archive_write_new();
	bool done = bytes != MAP_FAILED && layer.archive != NULL &&
	            library.archive_write_set_format_pax_restricted(layer.archive) == ARCHIVE_OK &&
	            library.archive_write_set_bytes_in_last_block(layer.archive, 1) == ARCHIVE_OK &&
	            library.archive_write_open_memory(layer.archive, bytes, room, &used) == ARCHIVE_OK &&
	            fill(&layer, about, head, head_size);
	if (layer.archive != NULL)
		(void)library.archive_write_free(layer.archive);
	if (!done) {
		if (bytes != MAP_FAILED)
			(void)munmap(bytes, room);
		return complain(EXIT_REFUSED, "cannot make the layer: %s: free some memory", about->name);
	}
	*ret_bytes = bytes;
	*ret_size = used;
	*ret_room = room;
	return EXIT_FINE;
}
