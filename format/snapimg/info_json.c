#include <stdio.h>

#include "format/base/json.h"
#include "format/base/text.h"
#include "format/facts/cpu.h"
#include "format/snapimg/info.h"
#include "format/snapimg/summary.h"

static void put_origin(struct json *json, const struct snapimg *image)
{
	const struct snapimg_origin *origin = snapimg_get_origin(image);
	const struct {
		const char *name;
		uint32_t string;
	} texts[] = {
	        {"tool", origin->tool},     {"point", origin->point},   {"trigger", origin->trigger},
	        {"kernel", origin->kernel}, {"cpu", origin->cpu_model}, {"codec", origin->codec},
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		json_string(json, texts[i].name, snapimg_string(image, texts[i].string));
	json_signed(json, "created", origin->created_seconds);
}

static void put_strings(struct json *json, const char *name, const struct snapimg_view *view)
{
	const char *string = NULL;

	json_open(json, name, '[');
	while ((string = summary_next_string(view, string)) != NULL)
		json_string(json, NULL, string);
	json_close(json, ']');
}

/* Not there: nobody has looked for them. */
static void put_ids(struct json *json, const struct snapimg *image)
{
	const struct snapimg_kept *kept = snapimg_get_kept(image);
	uint32_t i;

	if (snapimg_kept_count(image) == 0)
		return;
	json_open(json, "ids", '[');
	for (i = 1; i < snapimg_kept_count(image); i++) {
		if (kept[i].kind == SNAPIMG_KEPT_PARENT)
			continue;
		json_open(json, NULL, '{');
		json_string(json, "kind", snapimg_kept_name(kept[i].kind));
		json_address(json, "address", kept[i].address);
		json_number(json, "thread", kept[i].thread);
		json_string(json, "where", snapimg_string(image, kept[i].where));
		if (kept[i].what != 0)
			json_string(json, "what", snapimg_string(image, kept[i].what));
		else
			json_null(json, "what");
		json_bool(json, "corrected", kept[i].corrected != 0);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_clocks(struct json *json, const struct snapimg *image)
{
	const struct snapimg_clocks *clocks = snapimg_get_clocks(image);

	if (snapimg_clocks_count(image) == 0)
		return;
	json_open(json, "clocks", '{');
	json_number(json, "realtime", clocks->realtime);
	json_number(json, "monotonic", clocks->monotonic);
	json_number(json, "boottime", clocks->boottime);
	json_number(json, "processor", clocks->processor);
	json_close(json, '}');
}

static void put_process(struct json *json, const struct snapimg *image)
{
	const struct snapimg_process *process = snapimg_get_process(image);
	const struct snapimg_thread *thread = snapimg_get_thread(image);
	const struct snapimg_place *place = snapimg_get_place(image);
	uint32_t i;

	json_string(json, "program", snapimg_string(image, process->executable));
	put_strings(json, "arguments", &image->section[SNAPIMG_SECTION_ARGUMENTS]);
	json_number(json, "fixed_arguments", process->fixed_arguments);
	put_strings(json, "environment", &image->section[SNAPIMG_SECTION_ENVIRONMENT]);
	if (process->cwd == 0)
		json_null(json, "directory");
	else
		json_string(json, "directory", snapimg_string(image, process->cwd));
	json_bool(json, "resumes_at_main", process->flags & SNAPIMG_PROCESS_RESUME_MAIN);
	json_open(json, "threads", '[');
	for (i = 0; i < process->thread_count; i++) {
		json_open(json, NULL, '{');
		json_number(json, "tid", thread[i].tid);
		json_string(json, "name", thread[i].comm);
		json_address(json, "rip", thread[i].registers.rip);
		json_bool(json, "at_point", place ? place[i].flags & SNAPIMG_PLACE_POINT : i == 0);
		if (place && place[i].call != 0)
			json_string(json, "call", snapimg_string(image, place[i].call));
		else
			json_null(json, "call");
		json_close(json, '}');
	}
	json_close(json, ']');
	json_number(json, "pending_signals", snapimg_pending_count(image));
	put_ids(json, image);
}

static void put_memory(struct json *json, const struct snapimg *image)
{
	const struct snapimg_origin *origin = snapimg_get_origin(image);
	struct summary summary;

	summary_of(image, &summary);
	json_open(json, "memory", '{');
	json_number(json, "mappings", snapimg_mapping_count(image));
	json_number(json, "mapped_bytes", summary.mapped);
	json_number(json, "present_bytes", origin->raw_bytes);
	json_number(json, "raw_bytes", summary.pages);
	json_number(json, "stored_bytes", summary.stored);
	json_number(json, "zero_bytes", origin->zero_bytes);
	json_number(json, "zeroed_bytes", summary.zeroed);
	json_number(json, "file_bytes", origin->file_bytes);
	json_number(json, "extents", snapimg_extent_count(image));
	json_real(json, "ratio", summary.ratio);
	json_close(json, '}');
}

static void put_hot(struct json *json, const struct snapimg *image)
{
	struct summary summary;

	summary_of(image, &summary);
	json_open(json, "hot", '{');
	json_number(json, "ranges", snapimg_hot_count(image));
	json_number(json, "written", summary.hot_written);
	json_number(json, "read", summary.hot_read);
	json_close(json, '}');
}

static void put_features(struct json *json, const struct snapimg *image)
{
	const uint32_t *words = snapimg_get_machine(image)->cpu_features;
	const struct snapimg_cpu_feature *feature;
	uint32_t bit, row = 0;

	json_open(json, "required_features", '[');
	for (bit = 0; bit < 64; bit++)
		if (image->header->required_features >> bit & 1)
			json_string(json, NULL, snapimg_feature_name(bit));
	json_close(json, ']');
	json_address(json, "optional_features", image->header->optional_features);
	if (snapimg_processor_count(image) > 0)
		json_string(json, "cpu_level", summary_level(snapimg_get_processor(image)->level));
	json_open(json, "cpu_features", '[');
	while ((feature = snapimg_cpu_next(words, row)) != NULL) {
		json_string(json, NULL, feature->name);
		row = (uint32_t)(feature - snapimg_cpu_features) + 1;
	}
	json_close(json, ']');
}

static void put_file(struct json *json, const struct snapimg *image, uint32_t index)
{
	const struct snapimg_file *file = snapimg_get_file(image) + index;
	char id[2 * SNAPIMG_BUILD_ID_MAX + 1];

	json_open(json, NULL, '{');
	json_string(json, "path", snapimg_string(image, file->path));
	json_string(json, "check", file->check == SNAPIMG_CHECK_STAMP ? "stamp" : "exists");
	json_number(json, "size", file->size);
	json_signed(json, "mtime", file->mtime_seconds);
	json_number(json, "mtime_nanoseconds", file->mtime_nanoseconds);
	json_number(json, "inode", file->inode);
	json_number(json, "mode", file->mode);
	if (file->build_id_size == 0)
		json_null(json, "build_id");
	else
		json_string(json, "build_id", text_hex(id, file->build_id, file->build_id_size));
	if (summary_is_self_contained(image))
		json_bool(json, "embedded", summary_need_of(image, index) == NEEDS_CONTENT);
	json_close(json, '}');
}

static void put_root(struct json *json, const struct snapimg *image)
{
	static const char *const kinds[] = {[SNAPIMG_ROOT_DIRECTORY] = "directory",
	                                    [SNAPIMG_ROOT_FILE] = "file",
	                                    [SNAPIMG_ROOT_LINK] = "link"};
	const struct snapimg_root *root = snapimg_get_root(image);

	json_open(json, "root", '[');
	for (uint32_t i = 0; i < snapimg_root_count(image); i++) {
		json_open(json, NULL, '{');
		json_string(json, "path", snapimg_string(image, root[i].path));
		json_string(json, "kind", kinds[root[i].kind]);
		json_number(json, "size", root[i].size);
		json_number(json, "mode", root[i].mode);
		json_signed(json, "mtime", root[i].mtime_seconds);
		if (root[i].kind == SNAPIMG_ROOT_LINK)
			json_string(json, "target", snapimg_string(image, root[i].target));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_descriptor(struct json *json, const struct snapimg *image,
                           const struct snapimg_descriptor *descriptor)
{
	json_open(json, NULL, '{');
	json_signed(json, "number", descriptor->number);
	json_string(json, "kind", snapimg_descriptor_name(descriptor->kind));
	if (descriptor->kind == SNAPIMG_DESCRIPTOR_INHERIT ||
	    descriptor->kind == SNAPIMG_DESCRIPTOR_DUPLICATE)
		json_signed(json, "source", descriptor->source);
	if (descriptor->kind == SNAPIMG_DESCRIPTOR_FILE) {
		json_string(json, "path",
		            snapimg_string(image, snapimg_get_file(image)[descriptor->file - 1].path));
		json_string(json, "access", summary_access(descriptor->flags));
		json_number(json, "flags", descriptor->flags);
		json_number(json, "position", descriptor->position);
	}
	if (descriptor->kind == SNAPIMG_DESCRIPTOR_OBJECT) {
		const struct snapimg_object *object = snapimg_get_object(image) + descriptor->source;

		json_signed(json, "object", descriptor->source);
		json_string(json, "what", snapimg_object_name(object->kind));
		json_string(json, "name", snapimg_string(image, object->name));
		json_number(json, "flags", object->flags);
		json_bool(json, "reset",
		          object->kind == SNAPIMG_OBJECT_SOCKET &&
		                  object->value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_RESET);
	}
	json_bool(json, "close_on_exec", descriptor->close_on_exec);
	json_close(json, '}');
}

static void put_attributes(struct json *json, const struct snapimg *image)
{
	const struct snapimg_attribute *attribute = snapimg_get_attribute(image);
	uint32_t i, count = snapimg_attribute_count(image);

	if (count == 0)
		return;
	json_open(json, "attributes", '[');
	for (i = 0; i < count; i++) {
		json_open(json, NULL, '{');
		json_string(json, "kind", snapimg_attribute_name(attribute[i].kind));
		json_number(json, "argument", attribute[i].argument);
		json_number(json, "value", attribute[i].value);
		json_number(json, "more", attribute[i].more);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_timers(struct json *json, const struct snapimg *image)
{
	const struct snapimg_timer *timer = snapimg_get_timer(image);
	uint32_t i, count = snapimg_timer_count(image);

	if (count == 0)
		return;
	json_open(json, "timers", '[');
	for (i = 0; i < count; i++) {
		json_open(json, NULL, '{');
		json_string(json, "kind", timer[i].kind == SNAPIMG_TIMER_POSIX ? "posix" : "interval");
		json_number(json, "id", timer[i].id);
		json_number(json, "clock", timer[i].clock);
		json_number(json, "signal", timer[i].signal);
		json_number(json, "remaining_ns", timer[i].remaining);
		json_number(json, "interval_ns", timer[i].interval);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_guards(struct json *json, const struct snapimg *image)
{
	const struct snapimg_guard *guard = snapimg_get_guard(image);
	uint32_t i, count = snapimg_guard_count(image);

	if (count == 0)
		return;
	json_open(json, "guards", '[');
	for (i = 0; i < count; i++) {
		json_open(json, NULL, '{');
		json_address(json, "start", guard[i].address);
		json_number(json, "pages", guard[i].pages);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* Where the image has any; others look as they did before version 1.1. */
static void put_state(struct json *json, const struct snapimg *image)
{
	put_attributes(json, image);
	put_timers(json, image);
	put_clocks(json, image);
	put_guards(json, image);
}

static void put_records(struct json *json, const struct snapimg *image)
{
	uint32_t i;

	json_open(json, "files", '[');
	for (i = 0; i < snapimg_file_count(image); i++)
		put_file(json, image, i);
	json_close(json, ']');
	if (snapimg_root_count(image) > 0)
		put_root(json, image);
	json_open(json, "descriptors", '[');
	for (i = 0; i < snapimg_descriptor_count(image); i++)
		put_descriptor(json, image, snapimg_get_descriptor(image) + i);
	json_close(json, ']');
}

/* By whom it says to be signed; whether it is, verify --key tells. */
static void put_signature(struct json *json, const struct snapimg *image)
{
	const struct snapimg_signature *signature = snapimg_get_signature(image);
	char key[2 * SNAPIMG_KEY_SIZE + 1];

	if (signature != NULL)
		json_string(json, "signed_with", text_hex(key, signature->public_key, SNAPIMG_KEY_SIZE));
}

void info_put_json(const struct snapimg *image, const char *path, const char *sha256)
{
	char digest[2 * SNAPIMG_DIGEST_SIZE + 1], version[16];
	struct json json = {.out = stdout};

	json_open(&json, NULL, '{');
	json_string(&json, "image", path);
	(void)snprintf(version, sizeof(version), "%u.%u", image->header->major, image->header->minor);
	json_string(&json, "version", version);
	json_string(&json, "architecture", "x86-64");
	json_number(&json, "size", image->size);
	json_number(&json, "sections", image->header->section_count);
	json_string(&json, "digest", text_hex(digest, image->header->digest, SNAPIMG_DIGEST_SIZE));
	json_string(&json, "sha256", sha256);
	put_signature(&json, image);
	put_origin(&json, image);
	put_process(&json, image);
	info_put_tree(&json, image);
	put_memory(&json, image);
	put_hot(&json, image);
	put_features(&json, image);
	put_records(&json, image);
	put_state(&json, image);
	info_put_ipc(&json, image);
	info_put_inputs(&json, image);
	json_close(&json, '}');
}
