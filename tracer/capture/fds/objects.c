#include "tracer/capture/fds/objects.h"

#include <stdlib.h>
#include <string.h>

#include "format/base/array.h"

static enum status append(struct array *array, const void *items, size_t count, size_t size)
{
	void *grown = array_reserve(array->items, array->count, count, &array->room, size);

	if (!grown)
		return fail(STATUS_FAILED, "out of memory");
	array->items = grown;
	if (count)
		memcpy((char *)array->items + array->count * size, items, count * size);
	array->count += count;
	return STATUS_OK;
}

static enum status add_bytes(struct objects *objects, const void *bytes, uint64_t size, uint64_t *ret_offset)
{
	if (objects->bytes.count + size > UINT32_MAX)
		return fail(STATUS_FAILED,
		            "descriptors hold more than 4 GiB that is in no file: choose another point");
	*ret_offset = objects->bytes.count;
	return append(&objects->bytes, bytes, size, 1);
}

enum status objects_add(struct objects *objects, const struct snapimg_object *record)
{
	return append(&objects->object, record, 1, sizeof(*record));
}

enum status objects_set(struct objects *objects, struct snapimg_setting setting, const void *bytes)
{
	enum status status;

	setting.object = (uint32_t)objects->object.count;
	if ((status = add_bytes(objects, bytes, setting.size, &setting.offset)) != STATUS_OK)
		return status;
	return append(&objects->setting, &setting, 1, sizeof(setting));
}

enum status objects_stream(struct objects *objects, struct snapimg_setting setting, const void *bytes)
{
	enum status status;

	if ((status = add_bytes(objects, bytes, setting.size, &setting.offset)) != STATUS_OK)
		return status;
	return append(&objects->stream, &setting, 1, sizeof(setting));
}

/* Small contents, and what gets hardly smaller, cost less as they are. */
enum { COMPRESS_MIN = 4096, COMPRESS_MAX = SNAPIMG_EXTENT_MAX };

static enum status prepare_compressor(struct objects *objects)
{
	if (objects->frame)
		return STATUS_OK;
	objects->frame = malloc(compressor_bound(COMPRESS_MAX));
	if (!objects->frame)
		return fail(STATUS_FAILED, "out of memory");
	const struct compressor_settings settings = {.level = objects->level};
	if (!compressor_open(&settings, COMPRESS_MAX, &objects->compressor))
		return fail(STATUS_FAILED, "no compressor for level %d: out of memory?", settings.level);
	return STATUS_OK;
}

static enum status store(struct objects *objects, struct snapimg_content content, const void *bytes,
                         struct array *records)
{
	uint64_t size = content.size;
	enum status status;
	size_t stored = 0;

	if (objects->level && size >= COMPRESS_MIN && size <= COMPRESS_MAX) {
		if ((status = prepare_compressor(objects)) != STATUS_OK)
			return status;
		stored = compressor_run(&objects->compressor, objects->frame, compressor_bound(COMPRESS_MAX),
		                        bytes, size);
	}
	if (stored != 0 && stored < size - size / 16) {
		content.stored_size = (uint32_t)stored;
		status = add_bytes(objects, objects->frame, stored, &content.offset);
	} else {
		status = add_bytes(objects, bytes, size, &content.offset);
	}
	return status == STATUS_OK ? append(records, &content, 1, sizeof(content)) : status;
}

/* A text within others in a file is a message, on which nothing depends. */
static enum status look_for_id(struct objects *objects, struct object_id id, const void *bytes, uint64_t size)
{
	if (objects->content_id.id == 0)
		return STATUS_OK;
	id.kind = id_content_look(&objects->content_id, bytes, size);
	return id.kind == SNAPIMG_KEPT_SEARCHED || (id.file != 0 && id.kind == SNAPIMG_KEPT_NAMED)
	               ? STATUS_OK
	               : append(&objects->id, &id, 1, sizeof(id));
}

enum status objects_fill(struct objects *objects, uint64_t position, const void *bytes, uint64_t size)
{
	const struct snapimg_content content = {
	        .object = (uint32_t)objects->object.count, .position = position, .size = size};
	enum status status =
	        look_for_id(objects, (struct object_id){.object = content.object + 1}, bytes, size);

	if (status != STATUS_OK)
		return status;
	return store(objects, content, bytes, &objects->content);
}

enum status objects_pass(struct objects *objects, size_t index)
{
	const struct snapimg_passed record = {.content = (uint32_t)objects->content.count - 1,
	                                      .object = (uint32_t)index};

	return append(&objects->passed, &record, 1, sizeof(record));
}

enum status objects_carry(struct objects *objects, uint32_t file, uint64_t position, const void *bytes,
                          uint64_t size)
{
	const struct snapimg_content content = {.object = file, .position = position, .size = size};
	enum status status = look_for_id(objects, (struct object_id){.file = file + 1}, bytes, size);

	return status == STATUS_OK ? store(objects, content, bytes, &objects->carried) : status;
}

enum status objects_embed(struct objects *objects, uint32_t file, uint64_t position, const void *bytes,
                          uint64_t size)
{
	const struct snapimg_content content = {.object = file, .position = position, .size = size};

	return store(objects, content, bytes, &objects->embedded);
}

enum status objects_watch(struct objects *objects, struct snapimg_watch watch)
{
	watch.object = (uint32_t)objects->object.count;
	return append(&objects->watch, &watch, 1, sizeof(watch));
}

enum status objects_edge(struct objects *objects, uint32_t events)
{
	const struct snapimg_edge record = {.watch = (uint32_t)objects->watch.count - 1, .events = events};

	return append(&objects->edge, &record, 1, sizeof(record));
}

enum status objects_lock(struct objects *objects, const struct snapimg_lock *lock)
{
	return append(&objects->lock, lock, 1, sizeof(*lock));
}

enum status objects_inotify(struct objects *objects, struct snapimg_inotify inotify)
{
	inotify.object = (uint32_t)objects->object.count;
	return append(&objects->inotify, &inotify, 1, sizeof(inotify));
}

enum status objects_owner(struct objects *objects, const struct snapimg_owner *owner)
{
	return append(&objects->owner, owner, 1, sizeof(*owner));
}

enum status objects_ring(struct objects *objects, ino_t inode)
{
	const struct object_ring ring = {.inode = inode};

	return append(&objects->ring, &ring, 1, sizeof(ring));
}

void objects_keep_ring(struct objects *objects)
{
	struct object_ring *ring = objects->ring.items;

	ring[objects->ring.count - 1].object = (uint32_t)objects->object.count + 1;
}

const struct object_ring *objects_find_ring(const struct objects *objects, ino_t inode)
{
	const struct object_ring *ring = objects->ring.items;

	for (size_t i = 0; i < objects->ring.count; i++)
		if (ring[i].inode == inode)
			return &ring[i];
	return NULL;
}

enum status objects_name(struct objects *objects, const char *text, uint32_t *ret_name)
{
	enum status status;
	char *copy;

	*ret_name = 0;
	if (!text || !*text)
		return STATUS_OK;
	if (!(copy = strdup(text)))
		return fail(STATUS_FAILED, "out of memory");
	if ((status = append(&objects->names, &copy, 1, sizeof(copy))) == STATUS_OK)
		*ret_name = (uint32_t)objects->names.count;
	else
		free(copy);
	return status;
}

const char *objects_text(const struct objects *objects, uint32_t name)
{
	char *const *names = objects->names.items;

	return name ? names[name - 1] : "";
}

static enum snapimg_error place_name(const struct objects *objects, struct snapimg_writer *writer,
                                     uint32_t *name)
{
	char *const *names = objects->names.items;

	return *name ? snapimg_writer_string(writer, names[*name - 1], name) : SNAPIMG_OK;
}

static enum snapimg_error write_objects(const struct objects *objects, struct snapimg_writer *writer)
{
	const struct snapimg_object *object = objects->object.items;
	enum snapimg_error error = SNAPIMG_OK;

	for (size_t i = 0; i < objects->object.count && !error; i++) {
		struct snapimg_object record = object[i];
		error = place_name(objects, writer, &record.name);
		if (!error)
			error = snapimg_writer_add(writer, SNAPIMG_SECTION_OBJECTS, &record, sizeof(record));
	}
	return error;
}

static enum snapimg_error write_inotify(const struct objects *objects, struct snapimg_writer *writer)
{
	const struct snapimg_inotify *inotify = objects->inotify.items;
	enum snapimg_error error = SNAPIMG_OK;

	for (size_t i = 0; i < objects->inotify.count && !error; i++) {
		struct snapimg_inotify record = inotify[i];
		error = place_name(objects, writer, &record.path);
		if (!error)
			error = snapimg_writer_add(writer, SNAPIMG_SECTION_INOTIFY, &record, sizeof(record));
	}
	return error;
}

enum snapimg_error objects_write(const struct objects *objects, struct snapimg_writer *writer)
{
	const struct {
		const struct array *array;
		enum snapimg_section_type section;
		size_t size;
	} plain[] = {
	        {&objects->setting, SNAPIMG_SECTION_SETTINGS, sizeof(struct snapimg_setting)},
	        {&objects->content, SNAPIMG_SECTION_CONTENTS, sizeof(struct snapimg_content)},
	        {&objects->passed, SNAPIMG_SECTION_PASSED, sizeof(struct snapimg_passed)},
	        {&objects->stream, SNAPIMG_SECTION_STREAMS, sizeof(struct snapimg_setting)},
	        {&objects->carried, SNAPIMG_SECTION_CARRIED, sizeof(struct snapimg_content)},
	        {&objects->embedded, SNAPIMG_SECTION_ROOTDATA, sizeof(struct snapimg_content)},
	        {&objects->watch, SNAPIMG_SECTION_WATCHES, sizeof(struct snapimg_watch)},
	        {&objects->edge, SNAPIMG_SECTION_EDGES, sizeof(struct snapimg_edge)},
	        {&objects->lock, SNAPIMG_SECTION_LOCKS, sizeof(struct snapimg_lock)},
	        {&objects->owner, SNAPIMG_SECTION_OWNERS, sizeof(struct snapimg_owner)},
	        {&objects->bytes, SNAPIMG_SECTION_BYTES, 1},
	};
	enum snapimg_error error = write_objects(objects, writer);

	if (!error)
		error = write_inotify(objects, writer);

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain) && !error; i++)
		if (plain[i].array->count)
			error = snapimg_writer_add(writer, plain[i].section, plain[i].array->items,
			                           plain[i].array->count * plain[i].size);
	return error;
}

void objects_free(struct objects *objects)
{
	char **names = objects->names.items;

	for (size_t i = 0; i < objects->names.count; i++)
		free(names[i]);
	compressor_close(&objects->compressor);
	free(objects->frame);
	free(objects->id.items);
	free(objects->object.items);
	free(objects->setting.items);
	free(objects->content.items);
	free(objects->passed.items);
	free(objects->carried.items);
	free(objects->embedded.items);
	free(objects->stream.items);
	free(objects->watch.items);
	free(objects->edge.items);
	free(objects->lock.items);
	free(objects->inotify.items);
	free(objects->owner.items);
	free(objects->ring.items);
	free(objects->bytes.items);
	free(objects->names.items);
	*objects = (struct objects){0};
}
