/* snapimg oci and unpack: an image in an OCI image layout, and out of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "format/base/output_file.h"
#include "format/base/text.h"
#include "format/convert/parts.h"
#include "format/convert/thaw.h"
#include "format/image/loader.h"
#include "format/snapimg/oci_documents.h"
#include "format/snapimg/oci_layout.h"
#include "format/snapimg/signature.h"

static enum exit_status no_memory(const char *path)
{
	return complain(EXIT_REFUSED, "out of memory: %s: free some", path);
}

/* Puts the manifest there, and then its tag. text: NULL: there was no memory for it. */
static enum exit_status put_manifest(struct layout *layout, char *text, size_t size, bool platform)
{
	struct oci_blob manifest;
	enum exit_status status = text != NULL ? layout_put(layout, text, size, OCI_TYPE_MANIFEST, &manifest)
	                                       : no_memory(layout->dir);

	free(text);
	return status == EXIT_FINE ? layout_add(layout, &manifest, platform) : status;
}

static enum exit_status put_parts(struct layout *layout, const struct about *about, const struct parts *parts,
                                  struct oci_layers *layers)
{
	enum exit_status status = EXIT_FINE;
	uint64_t start = 0;

	layers->blob = calloc(parts->count, sizeof(*layers->blob));
	if (layers->blob == NULL)
		return no_memory(layout->dir);
	for (size_t i = 0; i < parts->count && status == EXIT_FINE; i++) {
		status = layout_put(layout, about->image->base + start, parts->end[i] - start, OCI_TYPE_PART,
		                    &layers->blob[layers->count++]);
		start = parts->end[i];
	}
	return status;
}

static enum exit_status put_artifact(struct layout *layout, const struct about *about)
{
	struct oci_blob config;
	struct oci_layers layers = {0};
	struct parts parts;
	char *text = NULL;
	size_t size = 0;
	enum exit_status status;

	if (!parts_find(about->image, &parts))
		return no_memory(layout->dir);
	status = put_parts(layout, about, &parts, &layers);
	if (status == EXIT_FINE)
		status = layout_put(layout, "{}", 2, OCI_TYPE_EMPTY, &config);
	if (status == EXIT_FINE) {
		if (!artifact_manifest(about, &config, &layers, &text, &size))
			text = NULL;
		status = put_manifest(layout, text, size, false);
	}
	oci_layers_free(&layers);
	parts_free(&parts);
	return status;
}

static enum exit_status put_documents(struct layout *layout, const struct about *about,
                                      const struct oci_blob *layer)
{
	struct oci_blob config;
	char *text = NULL;
	size_t size = 0;
	enum exit_status status;

	if (!container_config(about, layer, &text, &size))
		return no_memory(layout->dir);
	status = layout_put(layout, text, size, OCI_TYPE_CONFIG, &config);
	free(text);
	if (status != EXIT_FINE)
		return status;
	if (!container_manifest(about, &config, layer, &text, &size))
		text = NULL;
	return put_manifest(layout, text, size, true);
}

static enum exit_status put_container(struct layout *layout, const struct about *about)
{
	struct loader_bytes loader = {0};
	struct loader_failure failure;
	struct oci_blob layer;
	void *bytes = NULL;
	size_t size = 0, room = 0;
	enum exit_status status;

	if (!snapimg_loader_read(&loader, &failure))
		return complain(EXIT_REFUSED, "%s: %s: %s", failure.what, failure.path, failure.advice);
	status = container_layer(about, loader.bytes, loader.size, &bytes, &size, &room);
	if (status == EXIT_FINE) {
		status = layout_put(layout, bytes, size, OCI_TYPE_LAYER, &layer);
		(void)munmap(bytes, room);
		if (status == EXIT_FINE)
			status = put_documents(layout, about, &layer);
	}
	free(loader.bytes);
	return status;
}

/* A container has none of the program's files, and seldom a place for a cache: there a frozen image is
 * decoded at each start, a thawed one is mapped. What a registry keeps, packed by who sends it, is as large
 * for either. */
static enum exit_status thaw_in_memory(struct image_file *file, const char *path)
{
	struct output_file output;
	struct image_file thawed;
	struct image_failure failure;
	enum snapimg_error error = SNAPIMG_ERR_SINK;

	if (output_file_begin_in_memory(&output, path))
		error = image_thaw(&file->image, output_file_sink, &output);
	int memory = error == SNAPIMG_OK && output_file_finish(&output) ? dup(output.descriptor) : -1;
	output_file_end(&output);
	if (error != SNAPIMG_OK && error != SNAPIMG_ERR_SINK)
		return complain_of_data(path, file, error);
	if (memory < 0)
		return no_memory(path);
	if (!image_file_take(&thawed, memory, IMAGE_WHOLE, &failure))
		return complain_of_image(path, &failure);
	image_file_close(file);
	*file = thawed;
	return EXIT_FINE;
}

/* Not one with a signature, which it would lose. */
static bool is_to_be_thawed(const struct snapimg *image)
{
	return (image->header->required_features & SNAPIMG_FEATURE_THAWED) == 0 &&
	       snapimg_signature_count(image) == 0;
}

/* What stands in the way of a container that has nothing but the runnable file. */
static enum exit_status check_container(const struct image_file *file, const char *path)
{
	if (file->image.header->required_features & SNAPIMG_FEATURE_FILE_MAPPINGS)
		return complain(
		        EXIT_REFUSED,
		        "needs files that a container has not: %s: freeze the program with --self-contained",
		        path);
	return EXIT_FINE;
}

static enum exit_status put_image(struct layout *layout, const struct image_file *file, bool runnable)
{
	struct about about = {.image = &file->image};
	uint8_t hash[SNAPIMG_SHA256_SIZE];
	char hex[2 * SNAPIMG_SHA256_SIZE + 1];
	enum exit_status status = signature_name(file, hash);

	if (status == EXIT_FINE)
		status = layout_begin(layout);
	if (status != EXIT_FINE)
		return status;
	about_name(&about);
	about.sha256 = text_hex(hex, hash, sizeof(hash));
	return runnable ? put_container(layout, &about) : put_artifact(layout, &about);
}

enum exit_status command_oci(const struct command_options *options)
{
	struct image_file file;
	struct layout layout;
	char put[TEXT_SIZE_MAX], had[TEXT_SIZE_MAX];
	enum exit_status status = layout_name(&layout, options->output);

	if (status != EXIT_FINE ||
	    (status = open_image(&file, options->path, IMAGE_WHOLE, NULL)) != EXIT_FINE)
		return status;
	if (options->runnable)
		status = check_container(&file, options->path);
	if (status == EXIT_FINE && options->runnable && is_to_be_thawed(&file.image))
		status = thaw_in_memory(&file, options->path);
	if (status == EXIT_FINE)
		status = put_image(&layout, &file, options->runnable);
	if (status == EXIT_FINE) {
		text_print(stdout, layout.dir);
		printf(":%s: %s in %llu new blobs, %s that were there\n", layout.tag,
		       text_size(put, layout.put_size), (unsigned long long)layout.put_count,
		       text_size(had, layout.had_size));
	}
	layout_end(&layout);
	image_file_close(&file);
	return status;
}

/* The image whose parts have been put together. */
static enum exit_status write_parts(const struct layout *layout, const uint8_t *bytes, uint64_t size,
                                    const char *to)
{
	struct snapimg image;
	struct output_file output;
	enum snapimg_error error = snapimg_open(bytes, size, &image);
	enum exit_status status = EXIT_FINE;

	if (error != SNAPIMG_OK) {
		struct image_failure failure = image_failure_of(&image, error);

		return complain_of_image(layout->dir, &failure);
	}
	if (!output_file_begin(&output, to, 0) || output_file_sink(&output, 0, bytes, size) != 0 ||
	    !output_file_finish(&output))
		status = complain(EXIT_REFUSED, "cannot write: %s: %s: %s", to,
		                  output_file_reason(output.error), output_file_advice(output.error));
	output_file_end(&output);
	return status;
}

static enum exit_status unpack(const struct layout *layout, const struct oci_layers *layers, const char *to)
{
	uint8_t *bytes = mmap(NULL, layers->size, PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	enum exit_status status = EXIT_FINE;
	uint64_t at = 0;

	if (bytes == MAP_FAILED)
		return complain(EXIT_REFUSED, "cannot hold the image: %s: %s", layout->dir, strerror(errno));
	for (size_t i = 0; i < layers->count && status == EXIT_FINE; i++) {
		status = layout_read_blob(layout, &layers->blob[i], bytes + at);
		at += layers->blob[i].size;
	}
	if (status == EXIT_FINE)
		status = write_parts(layout, bytes, at, to);
	(void)munmap(bytes, layers->size);
	return status;
}

enum exit_status command_unpack(const struct command_options *options)
{
	struct layout layout;
	struct oci_layers layers;
	char *manifest = NULL;
	size_t size = 0;
	enum exit_status status = layout_name(&layout, options->path);

	if (status != EXIT_FINE || (status = layout_read_manifest(&layout, &manifest, &size)) != EXIT_FINE)
		return status;
	enum oci_error error = oci_read_manifest(manifest, size, &layers);
	free(manifest);
	if (error != OCI_OK)
		return layout_refuse(options->path, error);
	status = unpack(&layout, &layers, options->output);
	oci_layers_free(&layers);
	return status;
}
