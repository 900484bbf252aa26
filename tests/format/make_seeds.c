/* make_seeds DIRECTORY: what the fuzz targets of deltas and of OCI layouts begin with, in DIRECTORY/delta and
 * /oci. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/convert/delta.h"
#include "format/convert/oci.h"
#include "synthetic.h"

static const char manifest[] =
        "{\"schemaVersion\": 2, \"mediaType\": \"" OCI_TYPE_MANIFEST "\", \"artifactType\": \"" OCI_TYPE_IMAGE
        "\",\n"
        "\"config\": {\"mediaType\": \"" OCI_TYPE_CONFIG
        "\", \"digest\": \"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\", "
        "\"size\": 2},\n\"layers\": [{\"mediaType\": \"" OCI_TYPE_PART
        "\", \"digest\": \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", "
        "\"size\": 4096}],\n"
        "\"annotations\": {\"a\\u00e9\": \"\\n\", \"b\": [true, null, -1.5e3]}}\n";

static void put(const char *directory, const char *name, const void *bytes, size_t size)
{
	char path[4096];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static void put_delta(const char *directory, const char *name, const struct snapimg *base,
                      const struct snapimg *image)
{
	struct memory_image delta = {0};

	if (delta_make(base, image, memory_sink, &delta) != DELTA_OK)
		exit(1);
	put(directory, name, delta.bytes, delta.size);
	memory_free(&delta);
}

/* An empty header, and the image's plain form with its frames as they are. */
static void put_plain(const char *directory, const char *name, const struct snapimg *image)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	const uint64_t start = image->header->metadata_offset;
	struct snapimg_delta header = {.major = SNAPIMG_DELTA_MAJOR, .image_size = image->size, .level = 3};
	struct memory_image plain = {0};
	int failed = memory_sink(&plain, 0, &header, sizeof(header)) |
	             memory_sink(&plain, plain.size, image->base, SNAPIMG_HEADER_AREA) |
	             memory_sink(&plain, sizeof(header) + SNAPIMG_HEADER_AREA, image->base + start,
	                         image->size - start);

	for (uint32_t i = 0; i < snapimg_extent_count(image) && failed == 0; i++)
		failed = memory_sink(&plain, plain.size, image->base + extent[i].offset,
		                     extent[i].stored_size);
	if (failed != 0)
		exit(1);
	put(directory, name, plain.bytes, plain.size);
	memory_free(&plain);
}

static void put_index(const char *directory)
{
	const struct oci_blob blob = {
	        .type = OCI_TYPE_MANIFEST,
	        .hex = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
	        .size = 2,
	};
	char *one, *two;
	size_t one_size, two_size;

	if (oci_add_manifest(NULL, 0, "latest", &blob, true, &one, &one_size) != OCI_OK ||
	    oci_add_manifest(one, one_size, "v2", &blob, false, &two, &two_size) != OCI_OK)
		exit(1);
	put(directory, "oci/index-one", one, one_size);
	put(directory, "oci/index-two", two, two_size);
	free(one);
	free(two);
}

int main(int argc, char **argv)
{
	struct memory_image frozen = {0}, thawed = {0};
	struct snapimg frozen_image, thawed_image;

	if (argc != 2 || synthetic_image(&frozen, NULL) != SNAPIMG_OK ||
	    synthetic_thawed(&thawed) != SNAPIMG_OK ||
	    snapimg_open(frozen.bytes, frozen.size, &frozen_image) != SNAPIMG_OK ||
	    snapimg_open(thawed.bytes, thawed.size, &thawed_image) != SNAPIMG_OK) {
		fputs("usage: make_seeds DIRECTORY\n", stderr);
		return 1;
	}
	put_delta(argv[1], "delta/same", &frozen_image, &frozen_image);
	put_delta(argv[1], "delta/thawed", &frozen_image, &thawed_image);
	put_plain(argv[1], "delta/plain", &frozen_image);
	put_plain(argv[1], "delta/plain-thawed", &thawed_image);
	put_index(argv[1]);
	put(argv[1], "oci/manifest", manifest, sizeof(manifest) - 1);
	memory_free(&frozen);
	memory_free(&thawed);
	return 0;
}
