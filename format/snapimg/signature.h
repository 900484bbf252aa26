/* SHA-256 of images, and Ed25519 signatures of them (FORMAT.md, SIGNATURE). Both come from libcrypto. */
#ifndef FORMAT_SNAPIMG_SIGNATURE_H
#define FORMAT_SNAPIMG_SIGNATURE_H

#include "format/snapimg/commands.h"

/* Of the image's bytes as they are in its file. Whole images only (IMAGE_WHOLE). */
enum exit_status signature_name(const struct image_file *file, uint8_t ret_sha256[SNAPIMG_SHA256_SIZE])
        __attribute__((warn_unused_result));

/* A copy of the whole image with a signature by the private key in a PEM file. *ret_bytes is to be freed. */
enum exit_status signature_make(const struct image_file *file, const char *path, const char *key,
                                uint8_t **ret_bytes, size_t *ret_size) __attribute__((warn_unused_result));

/* Whether the whole image is signed by the owner of the public key in a PEM file; complains if not. */
enum exit_status signature_check(const struct image_file *file, const char *path, const char *key)
        __attribute__((warn_unused_result));

#endif
