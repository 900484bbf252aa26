#include "format/convert/oci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/base/array.h"
#include "format/base/json.h"
#include "format/base/json_read.h"

#define DIGEST_PREFIX "sha256:"
enum { PREFIX_SIZE = sizeof(DIGEST_PREFIX) - 1, DIGEST_SIZE = PREFIX_SIZE + OCI_HEX_SIZE };

static const char *const texts[OCI_ERRORS] = {
        [OCI_OK] = "nothing is wrong",
        [OCI_NO_MEMORY] = "out of memory",
        [OCI_NOT_JSON] = "not what an OCI image layout has there",
        [OCI_NO_SUCH_TAG] = "no such tag in the layout",
        [OCI_SEVERAL] = "several tags in the layout, and none is latest",
        [OCI_NOT_OURS] = "not an image of snaptrace's",
        [OCI_CONTAINER] = "a container image",
        [OCI_DIGEST] = "a digest that is no SHA-256",
};

const char *oci_strerror(enum oci_error error)
{
	return texts[error];
}

bool oci_is_tag(const char *text)
{
	static const char letters[] = "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-";
	size_t size = strlen(text);

	return size > 0 && size < OCI_TAG_SIZE && strspn(text, letters) == size && text[0] != '.' &&
	       text[0] != '-';
}

static enum oci_error read_blob(const struct json_document *document, uint32_t node,
                                struct oci_blob *ret_blob)
{
	char digest[DIGEST_SIZE + 4];
	struct oci_blob blob;

	if (node == 0 ||
	    !json_get_string(document, json_member(document, node, "mediaType"), blob.type,
	                     sizeof(blob.type)) ||
	    !json_get_number(document, json_member(document, node, "size"), &blob.size))
		return OCI_NOT_JSON;
	if (!json_get_string(document, json_member(document, node, "digest"), digest, sizeof(digest)) ||
	    strncmp(digest, DIGEST_PREFIX, PREFIX_SIZE) != 0 || strlen(digest) != DIGEST_SIZE - 1 ||
	    strspn(digest + PREFIX_SIZE, "0123456789abcdef") != OCI_HEX_SIZE - 1)
		return OCI_DIGEST;
	memcpy(blob.hex, digest + PREFIX_SIZE, OCI_HEX_SIZE);
	*ret_blob = blob;
	return OCI_OK;
}

static bool has_tag(const struct json_document *document, uint32_t manifest, const char *tag)
{
	char name[OCI_TAG_SIZE + 4];
	uint32_t annotations = json_member(document, manifest, "annotations");

	return annotations != 0 &&
	       json_get_string(document, json_member(document, annotations, OCI_REF_NAME), name,
	                       sizeof(name)) &&
	       strcmp(name, tag) == 0;
}

/* *ret_first: of the manifests in an index, 0: there are none. */
static enum oci_error open_index(const char *index, size_t size, struct json_document *document,
                                 uint32_t *ret_first)
{
	uint32_t manifests;

	if (!json_parse(index, size, document))
		return OCI_NOT_JSON;
	manifests = json_member(document, 0, "manifests");
	if (manifests == 0 || document->node[manifests].kind != JSON_ARRAY) {
		json_document_free(document);
		return OCI_NOT_JSON;
	}
	*ret_first = json_first(document, manifests);
	return OCI_OK;
}

enum oci_error oci_find_manifest(const char *index, size_t size, const char *tag,
                                 struct oci_blob *ret_manifest)
{
	struct json_document document;
	uint32_t first, at;
	enum oci_error error = open_index(index, size, &document, &first);

	if (error != OCI_OK)
		return error;
	for (at = first; at != 0; at = document.node[at].next)
		if (has_tag(&document, at, tag != NULL ? tag : "latest"))
			break;
	if (at == 0 && tag == NULL && first != 0 && document.node[first].next == 0)
		at = first;
	if (at == 0)
		error = tag == NULL && first != 0 ? OCI_SEVERAL : OCI_NO_SUCH_TAG;
	else
		error = read_blob(&document, at, ret_manifest);
	json_document_free(&document);
	return error;
}

static void put_manifest(struct json *json, const char *tag, const struct oci_blob *manifest, bool platform)
{
	char digest[DIGEST_SIZE];

	(void)snprintf(digest, sizeof(digest), DIGEST_PREFIX "%s", manifest->hex);
	json_open(json, NULL, '{');
	json_string(json, "mediaType", OCI_TYPE_MANIFEST);
	json_string(json, "digest", digest);
	json_number(json, "size", manifest->size);
	if (platform) {
		json_open(json, "platform", '{');
		json_string(json, "architecture", "amd64");
		json_string(json, "os", "linux");
		json_close(json, '}');
	} else {
		json_string(json, "artifactType", OCI_TYPE_IMAGE);
	}
	json_open(json, "annotations", '{');
	json_string(json, OCI_REF_NAME, tag);
	json_close(json, '}');
	json_close(json, '}');
}

enum oci_error oci_add_manifest(const char *index, size_t size, const char *tag,
                                const struct oci_blob *manifest, bool platform, char **ret_text,
                                size_t *ret_size)
{
	struct json_document document = {0};
	uint32_t first = 0;
	enum oci_error error = index != NULL ? open_index(index, size, &document, &first) : OCI_OK;

	if (error != OCI_OK)
		return error;
	char *text = NULL;
	size_t text_size = 0;
	struct json json = {.out = open_memstream(&text, &text_size)};

	if (json.out == NULL) {
		json_document_free(&document);
		return OCI_NO_MEMORY;
	}
	json_open(&json, NULL, '{');
	json_number(&json, "schemaVersion", 2);
	json_string(&json, "mediaType", OCI_TYPE_INDEX);
	json_open(&json, "manifests", '[');
	for (uint32_t at = first; at != 0; at = document.node[at].next)
		if (!has_tag(&document, at, tag))
			json_verbatim(&json, document.text + document.node[at].start,
			              document.node[at].end - document.node[at].start);
	put_manifest(&json, tag, manifest, platform);
	json_close(&json, ']');
	json_close(&json, '}');
	json_document_free(&document);
	if (fclose(json.out) != 0) {
		free(text);
		return OCI_NO_MEMORY;
	}
	*ret_text = text;
	*ret_size = text_size;
	return OCI_OK;
}

static bool is_text(const struct json_document *document, uint32_t object, const char *name,
                    const char *wanted)
{
	char text[OCI_TYPE_SIZE];

	return json_get_string(document, json_member(document, object, name), text, sizeof(text)) &&
	       strcmp(text, wanted) == 0;
}

static enum oci_error read_layers(const struct json_document *document, struct oci_layers *layers)
{
	uint32_t list = json_member(document, 0, "layers");
	enum oci_error error = OCI_OK;

	for (uint32_t at = list != 0 ? json_first(document, list) : 0; at != 0 && error == OCI_OK;
	     at = document->node[at].next) {
		struct oci_blob *blob =
		        layers->count < OCI_LAYERS_MAX ? array_add(layers->blob, layers->count) : NULL;

		error = blob != NULL ? read_blob(document, at, blob) : OCI_NO_MEMORY;
		if (error == OCI_OK && strcmp(blob->type, OCI_TYPE_PART) != 0)
			error = OCI_NOT_OURS;
		if (error == OCI_OK && __builtin_add_overflow(layers->size, blob->size, &layers->size))
			error = OCI_NOT_JSON;
	}
	return error == OCI_OK && layers->count == 0 ? OCI_NOT_JSON : error;
}

enum oci_error oci_read_manifest(const char *manifest, size_t size, struct oci_layers *ret_layers)
{
	struct json_document document;
	struct oci_layers layers = {0};
	enum oci_error error = OCI_NOT_OURS;

	if (!json_parse(manifest, size, &document))
		return OCI_NOT_JSON;
	uint32_t config = json_member(&document, 0, "config");
	if (is_text(&document, 0, "artifactType", OCI_TYPE_IMAGE))
		error = read_layers(&document, &layers);
	else if (config != 0 && is_text(&document, config, "mediaType", OCI_TYPE_CONFIG))
		error = OCI_CONTAINER;
	json_document_free(&document);
	if (error == OCI_OK)
		*ret_layers = layers;
	else
		oci_layers_free(&layers);
	return error;
}

void oci_layers_free(struct oci_layers *layers)
{
	free(layers->blob);
	*layers = (struct oci_layers){0};
}
