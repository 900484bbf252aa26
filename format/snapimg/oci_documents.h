/* The documents of OCI that tell of an image, and the layer of a container image. */
#ifndef FORMAT_SNAPIMG_OCI_DOCUMENTS_H
#define FORMAT_SNAPIMG_OCI_DOCUMENTS_H

#include <limits.h>

#include "format/convert/oci.h"
#include "format/snapimg/commands.h"

/* What is said of an image. */
struct about {
	const struct snapimg *image;
	char name[NAME_MAX + 1]; /* its program's, of letters that are safe anywhere */
	const char *sha256;      /* of the image */
};

void about_name(struct about *about);

/* *ret_text is to be freed. config, layer: their blobs. False: out of memory. */
bool artifact_manifest(const struct about *about, const struct oci_blob *config,
                       const struct oci_layers *layers, char **ret_text, size_t *ret_size)
        __attribute__((warn_unused_result));
bool container_manifest(const struct about *about, const struct oci_blob *config,
                        const struct oci_blob *layer, char **ret_text, size_t *ret_size)
        __attribute__((warn_unused_result));
bool container_config(const struct about *about, const struct oci_blob *layer, char **ret_text,
                      size_t *ret_size) __attribute__((warn_unused_result));

/* A tar with the runnable file, which is `head` and then the image, as bin/NAME, the working directory and
 * /tmp. *ret_bytes was mapped, with *ret_room bytes. */
enum exit_status container_layer(const struct about *about, const void *head, size_t head_size,
                                 void **ret_bytes, size_t *ret_size, size_t *ret_room)
        __attribute__((warn_unused_result));

#endif
