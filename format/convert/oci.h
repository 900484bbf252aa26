/* What an OCI image layout says about images, as text: index and manifests (OCI Image Format
 * Specification 1.1). */
#ifndef FORMAT_CONVERT_OCI_H
#define FORMAT_CONVERT_OCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCI_LAYOUT_VERSION "1.0.0"
#define OCI_TYPE_INDEX     "application/vnd.oci.image.index.v1+json"
#define OCI_TYPE_MANIFEST  "application/vnd.oci.image.manifest.v1+json"
#define OCI_TYPE_CONFIG    "application/vnd.oci.image.config.v1+json"
#define OCI_TYPE_EMPTY     "application/vnd.oci.empty.v1+json"
#define OCI_TYPE_LAYER     "application/vnd.oci.image.layer.v1.tar"
#define OCI_TYPE_IMAGE     "application/vnd.snaptrace.image.v1"
#define OCI_TYPE_PART      "application/vnd.snaptrace.image.part.v1"
#define OCI_REF_NAME       "org.opencontainers.image.ref.name"
#define OCI_ANNOTATION     "vnd.snaptrace.image." /* what ours begin with */

enum {
	OCI_HEX_SIZE = 2 * 32 + 1, /* of a SHA-256, with NUL */
	OCI_TYPE_SIZE = 128,
	OCI_TAG_SIZE = 128 + 1,
	OCI_LAYERS_MAX = 1 << 16,
	OCI_JSON_MAX = 4 << 20, /* bytes of a document: registries take no larger manifest */
};

struct oci_blob {
	char type[OCI_TYPE_SIZE];
	char hex[OCI_HEX_SIZE]; /* of its SHA-256, in small letters */
	uint64_t size;
};

struct oci_layers {
	struct oci_blob *blob; /* owned */
	size_t count;
	uint64_t size; /* of all */
};

enum oci_error {
	OCI_OK,
	OCI_NO_MEMORY,
	OCI_NOT_JSON, /* or not what it must be */
	OCI_NO_SUCH_TAG,
	OCI_SEVERAL,   /* no tag was given, and there are several, none of them "latest" */
	OCI_NOT_OURS,  /* a manifest of something else than an image of snaptrace */
	OCI_CONTAINER, /* of a container image */
	OCI_DIGEST,    /* a digest that is no SHA-256 */
	OCI_ERRORS,
};
const char *oci_strerror(enum oci_error error);

/* Whether a tag may be named so: [A-Za-z0-9_][A-Za-z0-9._-]{0,127}. */
bool oci_is_tag(const char *text);

/* The manifest that an index has for a tag, or for none (NULL): the only one, or else "latest". */
enum oci_error oci_find_manifest(const char *index, size_t size, const char *tag,
                                 struct oci_blob *ret_manifest) __attribute__((warn_unused_result));

/* The index with one manifest more, which takes the place of one with its tag. index: NULL: there is none
 * yet. *ret_text is to be freed. platform: it is of a container image. */
enum oci_error oci_add_manifest(const char *index, size_t size, const char *tag,
                                const struct oci_blob *manifest, bool platform, char **ret_text,
                                size_t *ret_size) __attribute__((warn_unused_result));

/* The parts that a manifest of ours lists, which are the image one after the other. */
enum oci_error oci_read_manifest(const char *manifest, size_t size, struct oci_layers *ret_layers)
        __attribute__((warn_unused_result));
void oci_layers_free(struct oci_layers *layers);

#endif
