/* Fuzzes the reading of an OCI layout's documents: each input as an index and as a manifest. Seeds:
 * make_seeds. */
#include <stdlib.h>
#include <string.h>

#include "format/base/json_read.h"
#include "format/convert/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was made of an index is one, with the manifest that was added. */
static void add(const char *text, size_t size)
{
	static const struct oci_blob manifest = {
	        .type = OCI_TYPE_MANIFEST,
	        .hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	        .size = 7,
	};
	struct oci_blob found;
	char *added;
	size_t added_size;

	if (oci_add_manifest(text, size, "v1", &manifest, false, &added, &added_size) != OCI_OK)
		return;
	if (oci_find_manifest(added, added_size, "v1", &found) != OCI_OK ||
	    strcmp(found.hex, manifest.hex) != 0 || found.size != manifest.size)
		abort();
	free(added);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text =
	        malloc(size == 0 ? 1 : size); /* of its own, so that the sanitizer sees a read past the end */
	struct oci_blob blob;
	struct oci_layers layers;

	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	if (oci_find_manifest(text, size, NULL, &blob) == OCI_OK &&
	    (strlen(blob.hex) != OCI_HEX_SIZE - 1 || strchr(blob.hex, '/') != NULL))
		abort();
	(void)!oci_find_manifest(text, size, "v1", &blob);
	add(text, size);
	if (oci_read_manifest(text, size, &layers) == OCI_OK)
		oci_layers_free(&layers);
	free(text);
	return 0;
}
