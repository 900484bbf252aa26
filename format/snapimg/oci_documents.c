#include "format/snapimg/oci_documents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "format/base/json.h"
#include "format/base/text.h"
#include "format/snapimg/summary.h"

/* What a container inherits of the recorded environment: the rest is of the machine, and may be secret. */
static const char *const inherited[] = {"LANG=", "LANGUAGE=", "LC_", "TZ="};
#define CONTAINER_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void about_name(struct about *about)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
	const char *path = snapimg_string(about->image, snapimg_get_process(about->image)->executable);
	const char *slash = strrchr(path, '/');

	(void)snprintf(about->name, sizeof(about->name), "%s", slash != NULL ? slash + 1 : path);
	for (char *letter = about->name; *letter != '\0'; letter++)
		if (strchr(safe, *letter) == NULL)
			*letter = '_';
	if (about->name[0] == '\0' || about->name[0] == '.')
		(void)snprintf(about->name, sizeof(about->name), "program");
}

/* RFC 3339; "": it is no date of our calendar. */
static const char *date_of(const struct snapimg *image, char text[SUMMARY_TIME_MAX])
{
	time_t time = (time_t)snapimg_get_origin(image)->created_seconds;
	struct tm parts;

	if (time < 0 || gmtime_r(&time, &parts) == NULL || parts.tm_year > 9999 - 1900 ||
	    strftime(text, SUMMARY_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		text[0] = '\0';
	return text;
}

/* Annotations, and labels of a container image. */
static void put_words(struct json *json, const char *name, const struct about *about)
{
	const struct snapimg *image = about->image;
	const struct snapimg_processor *processor = snapimg_get_processor(image);
	char date[SUMMARY_TIME_MAX], digest[2 * SNAPIMG_DIGEST_SIZE + 1], title[NAME_MAX + 8];

	(void)snprintf(title, sizeof(title), "%s.snap", about->name);
	json_open(json, name, '{');
	if (date_of(image, date)[0] != '\0')
		json_string(json, "org.opencontainers.image.created", date);
	json_string(json, "org.opencontainers.image.title", title);
	json_string(json, OCI_ANNOTATION "point", snapimg_string(image, snapimg_get_origin(image)->point));
	json_string(json, OCI_ANNOTATION "cpu",
	            summary_level(processor != NULL ? processor->level : SNAPIMG_LEVEL_NATIVE));
	json_string(json, OCI_ANNOTATION "self-contained",
	            summary_is_self_contained(image) ? "true" : "false");
	json_string(json, OCI_ANNOTATION "digest",
	            text_hex(digest, image->header->digest, SNAPIMG_DIGEST_SIZE));
	json_string(json, OCI_ANNOTATION "sha256", about->sha256);
	json_close(json, '}');
}

static void put_blob(struct json *json, const char *name, const struct oci_blob *blob)
{
	char digest[sizeof("sha256:") + OCI_HEX_SIZE];

	(void)snprintf(digest, sizeof(digest), "sha256:%s", blob->hex);
	json_open(json, name, '{');
	json_string(json, "mediaType", blob->type);
	json_string(json, "digest", digest);
	json_number(json, "size", blob->size);
	json_close(json, '}');
}

struct document {
	struct json json;
	char *text;
	size_t size;
};

static bool begin(struct document *document)
{
	*document = (struct document){0};
	document->json.out = open_memstream(&document->text, &document->size);
	if (document->json.out != NULL)
		json_open(&document->json, NULL, '{');
	return document->json.out != NULL;
}

static bool end(struct document *document, char **ret_text, size_t *ret_size)
{
	json_close(&document->json, '}');
	if (fclose(document->json.out) != 0) {
		free(document->text);
		return false;
	}
	*ret_text = document->text;
	*ret_size = document->size;
	return true;
}

static bool begin_manifest(struct document *document, const char *artifact_type,
                           const struct oci_blob *config)
{
	if (!begin(document))
		return false;
	json_number(&document->json, "schemaVersion", 2);
	json_string(&document->json, "mediaType", OCI_TYPE_MANIFEST);
	if (artifact_type != NULL)
		json_string(&document->json, "artifactType", artifact_type);
	put_blob(&document->json, "config", config);
	json_open(&document->json, "layers", '[');
	return true;
}

static bool end_manifest(struct document *document, const struct about *about, char **ret_text,
                         size_t *ret_size)
{
	json_close(&document->json, ']');
	put_words(&document->json, "annotations", about);
	return end(document, ret_text, ret_size);
}

bool artifact_manifest(const struct about *about, const struct oci_blob *config,
                       const struct oci_layers *layers, char **ret_text, size_t *ret_size)
{
	struct document document;

	if (!begin_manifest(&document, OCI_TYPE_IMAGE, config))
		return false;
	for (size_t i = 0; i < layers->count; i++)
		put_blob(&document.json, NULL, &layers->blob[i]);
	return end_manifest(&document, about, ret_text, ret_size);
}

bool container_manifest(const struct about *about, const struct oci_blob *config,
                        const struct oci_blob *layer, char **ret_text, size_t *ret_size)
{
	struct document document;

	if (!begin_manifest(&document, NULL, config))
		return false;
	put_blob(&document.json, NULL, layer);
	return end_manifest(&document, about, ret_text, ret_size);
}

static bool is_inherited(const char *variable)
{
	for (size_t i = 0; i < sizeof(inherited) / sizeof(*inherited); i++)
		if (strncmp(variable, inherited[i], strlen(inherited[i])) == 0)
			return true;
	return false;
}

static void put_config(struct json *json, const struct about *about)
{
	const struct snapimg *image = about->image;
	const struct snapimg_view *environment = &image->section[SNAPIMG_SECTION_ENVIRONMENT];
	const char *cwd = snapimg_string(image, snapimg_get_process(image)->cwd), *variable = NULL;
	char entry[NAME_MAX + 8];

	(void)snprintf(entry, sizeof(entry), "/bin/%s", about->name);
	json_open(json, "config", '{');
	json_open(json, "Env", '[');
	json_string(json, NULL, CONTAINER_PATH);
	while ((variable = summary_next_string(environment, variable)) != NULL)
		if (is_inherited(variable))
			json_string(json, NULL, variable);
	json_close(json, ']');
	json_open(json, "Entrypoint", '[');
	json_string(json, NULL, entry);
	json_close(json, ']');
	json_string(json, "WorkingDir", cwd[0] == '/' ? cwd : "/");
	put_words(json, "Labels", about);
	json_close(json, '}');
}

bool container_config(const struct about *about, const struct oci_blob *layer, char **ret_text,
                      size_t *ret_size)
{
	char date[SUMMARY_TIME_MAX], digest[sizeof("sha256:") + OCI_HEX_SIZE];
	struct document document;

	if (!begin(&document))
		return false;
	if (date_of(about->image, date)[0] != '\0')
		json_string(&document.json, "created", date);
	json_string(&document.json, "architecture", "amd64");
	json_string(&document.json, "os", "linux");
	put_config(&document.json, about);
	(void)snprintf(digest, sizeof(digest), "sha256:%s", layer->hex);
	json_open(&document.json, "rootfs", '{');
	json_string(&document.json, "type", "layers");
	json_open(&document.json, "diff_ids", '[');
	json_string(&document.json, NULL, digest);
	json_close(&document.json, ']');
	json_close(&document.json, '}');
	return end(&document, ret_text, ret_size);
}
