#include "format/snapimg/oci_layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/output_file.h"
#include "format/base/text.h"
#include "format/snapimg/crypto.h"

#define LAYOUT_FILE "oci-layout"
#define LAYOUT_TEXT "{\"imageLayoutVersion\": \"" OCI_LAYOUT_VERSION "\"}\n"

enum { HASH_SIZE = 32, LAYOUT_MODE = 0700 /* images are their owner's alone, too */ };

static void path_of(const struct layout *layout, const char *name, char path[LAYOUT_PATH])
{
	(void)snprintf(path, LAYOUT_PATH, "%s/%s", layout->dir, name);
}

static void blob_path(const struct layout *layout, const char *hex, char path[LAYOUT_PATH])
{
	(void)snprintf(path, LAYOUT_PATH, "%s/blobs/sha256/%s", layout->dir, hex);
}

static enum exit_status name_of(const void *bytes, size_t size, char hex[OCI_HEX_SIZE])
{
	const struct crypto *crypto = crypto_load();
	uint8_t hash[HASH_SIZE];

	if (crypto == NULL || crypto->EVP_Digest(bytes, size, hash, NULL, crypto->EVP_sha256(), NULL) != 1)
		return complain(EXIT_REFUSED, "no SHA-256: libcrypto: install it, with its default provider");
	(void)text_hex(hex, hash, sizeof(hash));
	return EXIT_FINE;
}

enum exit_status layout_name(struct layout *layout, const char *text)
{
	const char *colon = strrchr(text, ':'), *slash = strrchr(text, '/');
	size_t size = strlen(text);

	*layout = (struct layout){.tag = "latest", .lock = -1};
	if (colon != NULL && (slash == NULL || colon > slash)) {
		if (!oci_is_tag(colon + 1))
			return complain(
			        EXIT_REFUSED,
			        "not a tag: %s: give letters, digits and ._- after the colon, at most 128",
			        colon + 1);
		layout->has_tag = true;
		(void)snprintf(layout->tag, sizeof(layout->tag), "%s", colon + 1);
		size = (size_t)(colon - text);
	}
	if (size == 0 || size >= sizeof(layout->dir) || (size == 1 && text[0] == '-'))
		return complain(EXIT_REFUSED, "not a directory: %s: give one (DIR[:TAG])", text);
	memcpy(layout->dir, text, size);
	return EXIT_FINE;
}

static enum exit_status make_directory(const char *path)
{
	return mkdir(path, LAYOUT_MODE) == 0 || errno == EEXIST
	               ? EXIT_FINE
	               : complain(EXIT_REFUSED, "cannot make the directory: %s: %s", path, strerror(errno));
}

static bool has_entries(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	bool found = false;

	while (directory != NULL && !found && (entry = readdir(directory)) != NULL)
		found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (directory != NULL)
		(void)closedir(directory);
	return found;
}

static enum exit_status write_file(const char *path, const void *bytes, size_t size)
{
	struct output_file output;
	enum exit_status status = EXIT_FINE;

	if (!output_file_begin(&output, path, 0) || output_file_sink(&output, 0, bytes, size) != 0 ||
	    !output_file_finish(&output))
		status = complain(EXIT_REFUSED, "cannot write: %s: %s: %s", path,
		                  output_file_reason(output.error), output_file_advice(output.error));
	output_file_end(&output);
	return status;
}

/* A small document. *ret_text NULL: there is no such file. */
static enum exit_status read_text(const char *path, char **ret_text, size_t *ret_size)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = malloc(OCI_JSON_MAX + 1);
	size_t size = 0;
	ssize_t got = descriptor >= 0 && text != NULL ? 1 : -1;

	*ret_text = NULL;
	if (descriptor < 0 && errno == ENOENT) {
		free(text);
		return EXIT_FINE;
	}
	for (; got > 0 && size <= OCI_JSON_MAX; size += (size_t)got)
		if ((got = read(descriptor, text + size, OCI_JSON_MAX + 1 - size)) < 0)
			break;
	int error = errno;
	if (descriptor >= 0)
		(void)close(descriptor);
	if (got == 0) {
		*ret_text = text;
		*ret_size = size;
		return EXIT_FINE;
	}
	free(text);
	return got > 0 ? complain(EXIT_REFUSED, "too large: %s: it is no document of a layout", path)
	               : complain(EXIT_CANNOT_READ, "cannot read: %s: %s", path, strerror(error));
}

enum exit_status layout_begin(struct layout *layout)
{
	static const char *const directories[] = {"", "blobs", "blobs/sha256"};
	char path[LAYOUT_PATH], *text = NULL;
	size_t size;
	enum exit_status status = EXIT_FINE;

	path_of(layout, LAYOUT_FILE, path);
	if ((status = read_text(path, &text, &size)) != EXIT_FINE)
		return status;
	if (text == NULL && has_entries(layout->dir))
		return complain(EXIT_REFUSED, "not an OCI image layout: %s: give a new or an empty directory",
		                layout->dir);
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories) && status == EXIT_FINE; i++) {
		path_of(layout, directories[i], path);
		status = make_directory(path);
	}
	if (status == EXIT_FINE && text == NULL) {
		path_of(layout, LAYOUT_FILE, path);
		status = write_file(path, LAYOUT_TEXT, sizeof(LAYOUT_TEXT) - 1);
	}
	free(text);
	if (status == EXIT_FINE) {
		layout->lock = open(layout->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (layout->lock < 0 || flock(layout->lock, LOCK_EX) != 0)
			status = complain(EXIT_REFUSED, "cannot lock: %s: %s", layout->dir, strerror(errno));
	}
	return status;
}

void layout_end(struct layout *layout)
{
	if (layout->lock >= 0)
		(void)close(layout->lock);
	layout->lock = -1;
}

/* Reads a file of just this size. False: it has another one, or errno says why not. */
static bool read_exactly(const char *path, uint8_t *to, uint64_t size)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	struct stat about;
	uint64_t done = 0;

	if (descriptor < 0)
		return false;
	errno = 0;
	bool fits =
	        fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode) && (uint64_t)about.st_size == size;
	while (fits && done < size) {
		ssize_t got = read(descriptor, to + done, size - done);

		if (got <= 0)
			break;
		done += (uint64_t)got;
	}
	int error = errno;
	(void)close(descriptor);
	errno = error;
	return fits && done == size;
}

/* Whether the blob is there as it is to be. */
static bool has_blob(const char *path, const void *bytes, size_t size)
{
	uint8_t *there = malloc(size);
	bool has = there != NULL && read_exactly(path, there, size) && memcmp(there, bytes, size) == 0;

	free(there);
	return has;
}

enum exit_status layout_put(struct layout *layout, const void *bytes, size_t size, const char *type,
                            struct oci_blob *ret_blob)
{
	struct oci_blob blob = {.size = size};
	char path[LAYOUT_PATH];
	enum exit_status status = name_of(bytes, size, blob.hex);

	(void)snprintf(blob.type, sizeof(blob.type), "%s", type);
	blob_path(layout, blob.hex, path);
	if (status == EXIT_FINE && has_blob(path, bytes, size)) {
		layout->had_size += size;
	} else if (status == EXIT_FINE) {
		status = write_file(path, bytes, size);
		layout->put_count++;
		layout->put_size += size;
	}
	*ret_blob = blob;
	return status;
}

enum exit_status layout_refuse(const char *path, enum oci_error error)
{
	return complain(EXIT_REFUSED, "%s: %s: %s", oci_strerror(error), path,
	                error == OCI_NO_SUCH_TAG || error == OCI_SEVERAL ? "give one of its tags (DIR:TAG)"
	                : error == OCI_CONTAINER
	                        ? "its layer has the image, in the runnable file (snapimg reads that)"
	                        : "give a layout of snapimg oci's");
}

enum exit_status layout_add(struct layout *layout, const struct oci_blob *manifest, bool platform)
{
	char path[LAYOUT_PATH], *index = NULL, *added = NULL;
	size_t size = 0, added_size = 0;
	enum oci_error error;
	enum exit_status status;

	path_of(layout, "index.json", path);
	if ((status = read_text(path, &index, &size)) != EXIT_FINE)
		return status;
	error = oci_add_manifest(index, size, layout->tag, manifest, platform, &added, &added_size);
	status = error == OCI_OK ? write_file(path, added, added_size) : layout_refuse(path, error);
	free(added);
	free(index);
	return status;
}

enum exit_status layout_read_blob(const struct layout *layout, const struct oci_blob *blob, void *to)
{
	char path[LAYOUT_PATH], hex[OCI_HEX_SIZE];
	enum exit_status status;

	blob_path(layout, blob->hex, path);
	if (!read_exactly(path, to, blob->size)) {
		if (errno == ENOENT)
			return complain(EXIT_NOT_FOUND, "a blob is missing: %s: fetch the layout again",
			                path);
		if (errno != 0)
			return complain(EXIT_CANNOT_READ, "cannot read: %s: %s", path, strerror(errno));
		return complain(EXIT_REFUSED, "a blob of another size: %s: fetch the layout again", path);
	}
	status = name_of(to, blob->size, hex);
	if (status == EXIT_FINE && strcmp(hex, blob->hex) != 0)
		status = complain(EXIT_REFUSED, "wrong digest: %s: fetch the layout again", path);
	return status;
}

enum exit_status layout_read_manifest(const struct layout *layout, char **ret_text, size_t *ret_size)
{
	char path[LAYOUT_PATH], *index = NULL, *text = NULL;
	struct oci_blob manifest = {0};
	size_t size = 0;
	enum oci_error error;
	enum exit_status status;

	path_of(layout, "index.json", path);
	if ((status = read_text(path, &index, &size)) != EXIT_FINE)
		return status;
	if (index == NULL)
		return complain(EXIT_NOT_FOUND,
		                "no OCI image layout: %s: give a directory with an index.json", layout->dir);
	error = oci_find_manifest(index, size, layout->has_tag ? layout->tag : NULL, &manifest);
	free(index);
	if (error != OCI_OK)
		return layout_refuse(path, error);
	if (manifest.size > OCI_JSON_MAX || (text = malloc(manifest.size + 1)) == NULL)
		return complain(EXIT_REFUSED, "the manifest is too large: %s: fetch the layout again", path);
	status = layout_read_blob(layout, &manifest, text);
	if (status == EXIT_FINE) {
		*ret_text = text;
		*ret_size = manifest.size;
	} else {
		free(text);
	}
	return status;
}
