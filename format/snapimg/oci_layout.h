/* The files of an OCI image layout: a directory with blobs, which are named by their SHA-256, and an index of
 * them. */
#ifndef FORMAT_SNAPIMG_OCI_LAYOUT_H
#define FORMAT_SNAPIMG_OCI_LAYOUT_H

#include <limits.h>

#include "format/convert/oci.h"
#include "format/snapimg/commands.h"

/* What is appended to the directory has room. */
enum { LAYOUT_PATH = PATH_MAX + 128 };

struct layout {
	char dir[PATH_MAX];
	char tag[OCI_TAG_SIZE];
	bool has_tag; /* it was given */
	int lock;     /* on the directory, while the layout is written; -1: none */
	uint64_t put_count, put_size,
	        had_size; /* blobs that were written; bytes of those that were there already */
};

/* DIR[:TAG]. Without a tag it is "latest". */
enum exit_status layout_name(struct layout *layout, const char *text) __attribute__((warn_unused_result));

/* Makes the directories that are not there. Refuses one that has something else in it. */
enum exit_status layout_begin(struct layout *layout) __attribute__((warn_unused_result));
/* Puts a blob there, unless it is. type: its media type. */
enum exit_status layout_put(struct layout *layout, const void *bytes, size_t size, const char *type,
                            struct oci_blob *ret_blob) __attribute__((warn_unused_result));
/* Gives a manifest the layout's tag. The index is what makes it one of the layout's. */
enum exit_status layout_add(struct layout *layout, const struct oci_blob *manifest, bool platform)
        __attribute__((warn_unused_result));
void layout_end(struct layout *layout);

/* The manifest of the tag. *ret_text is to be freed. */
enum exit_status layout_read_manifest(const struct layout *layout, char **ret_text, size_t *ret_size)
        __attribute__((warn_unused_result));
/* Reads a blob of this size, and compares its digest. */
enum exit_status layout_read_blob(const struct layout *layout, const struct oci_blob *blob, void *to)
        __attribute__((warn_unused_result));

/* The line for what a document is not. */
enum exit_status layout_refuse(const char *path, enum oci_error error);

#endif
