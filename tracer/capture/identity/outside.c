/* Where the kernel holds the process's ID for it: contents, entries and names. */
#include "tracer/capture/identity/outside.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "format/image/reader.h"
#include "tracer/capture/identity/look.h"
#include "tracer/capture/identity/module.h"

enum status kept_outside_keep(const struct look *look, enum snapimg_kept_kind kind, const char *where)
{
	for (size_t i = 0; i < look->kept->count; i++) /* each is told once */
		if (look->kept->id[i].record.kind == (uint32_t)kind &&
		    strcmp(look->kept->id[i].where, where) == 0)
			return STATUS_OK;
	look->kept->uncorrected++;
	explain("kept: ID as %s in %s", snapimg_kept_name(kind), where);
	return kept_add(look->kept, (struct kept_id){.record.kind = kind, .where = where});
}

static enum status look_at_contents(const struct look *look, const struct kept_outside *outside)
{
	const struct object_id *id = outside->objects->id.items;
	const struct snapimg_object *object = outside->objects->object.items;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < outside->objects->id.count && status == STATUS_OK; i++)
		if (id[i].file != 0)
			status = kept_outside_keep(look, id[i].kind, look->files->file[id[i].file - 1].path);
		else if (id[i].object <= outside->objects->object.count)
			status = kept_outside_keep(look, id[i].kind,
			                           snapimg_object_name(object[id[i].object - 1].kind));
	return status;
}

/* What a program has with an entry: its ID as one of two numbers, or as one; and no address. */
static bool is_id(const struct look *look, uint64_t value)
{
	const uint32_t id = look->search->thread[0].tid;

	if (value == id)
		return true;
	return ((uint32_t)value == id || value >> 32 == id) && mapping_at(look->mappings, value) == NULL;
}

static enum status look_at_entries(const struct look *look, const struct kept_outside *outside)
{
	const struct snapimg_watch *watch = outside->objects->watch.items;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < outside->objects->watch.count && status == STATUS_OK; i++)
		if (is_id(look, watch[i].data))
			status = kept_outside_keep(look, SNAPIMG_KEPT_ENTRY,
			                           snapimg_object_name(SNAPIMG_OBJECT_EPOLL));
	for (size_t i = 0; i < outside->timers->count && status == STATUS_OK; i++)
		if (is_id(look, outside->timers->record[i].value))
			status = kept_outside_keep(look, SNAPIMG_KEPT_ENTRY, "timer");
	return status;
}

/* By which the kernel knows who has the socket: the ID of who bound it first, if he chose none. */
static bool is_port(const struct look *look, const uint8_t *bytes, size_t size)
{
	struct sockaddr_nl name;

	if (size != sizeof(name))
		return false;
	memcpy(&name, bytes, sizeof(name));
	return name.nl_family == AF_NETLINK && name.nl_pid == look->search->thread[0].tid;
}

static bool is_name(const struct look *look, const void *name, size_t size)
{
	const struct id_content content = {.id = look->search->thread[0].tid,
	                                   .decimal = look->search->decimal};

	return id_content_has_text(&content, name, size);
}

static enum status look_at_addresses(const struct look *look, const struct kept_outside *outside)
{
	const struct objects *objects = outside->objects;
	const struct snapimg_setting *setting = objects->setting.items;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < objects->setting.count && status == STATUS_OK; i++) {
		const uint8_t *bytes = (const uint8_t *)objects->bytes.items + setting[i].offset;
		sa_family_t family = AF_UNSPEC;
		if (setting[i].size >= sizeof(family))
			memcpy(&family, bytes, sizeof(family));
		if (setting[i].kind != SNAPIMG_SETTING_BIND && setting[i].kind != SNAPIMG_SETTING_BIND_GONE)
			continue;
		if (is_port(look, bytes, setting[i].size))
			status = kept_outside_keep(look, SNAPIMG_KEPT_ENTRY, "netlink socket");
		else if (family == AF_UNIX && is_name(look, bytes, setting[i].size))
			status = kept_outside_keep(look, SNAPIMG_KEPT_OWN_NAME, "name of a socket");
	}
	return status;
}

/* What /proc says of processes is opened again as what it is: fds/file.c. */
static bool is_named_by_program(const char *path)
{
	static const char proc[] = "/proc/";

	return strncmp(path, proc, sizeof(proc) - 1) != 0;
}

static enum status look_at_name(const struct look *look, const char *path)
{
	return is_named_by_program(path) && is_name(look, path, strlen(path))
	               ? kept_outside_keep(look, SNAPIMG_KEPT_NAMED, path)
	               : STATUS_OK;
}

static enum status look_at_names(const struct look *look, const struct kept_outside *outside)
{
	enum status status = look_at_name(look, outside->directory);

	for (size_t i = 0; i < outside->descriptors_count && status == STATUS_OK; i++) {
		const struct snapimg_descriptor *record = &outside->descriptors[i];
		if (record->kind == SNAPIMG_DESCRIPTOR_FILE && record->file != 0)
			status = look_at_name(look, look->files->file[record->file - 1].path);
	}
	return status;
}

/* As ps(1) shows them. */
static enum status look_at_names_of_threads(const struct look *look)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < look->threads->count && status == STATUS_OK; i++) {
		const char *name = look->threads->thread[i].comm;
		if (is_name(look, name, strnlen(name, SNAPIMG_COMM_SIZE)))
			status = kept_outside_keep(look, SNAPIMG_KEPT_OWN_NAME, "name of a thread");
	}
	return status;
}

enum status kept_look_outside(const struct look *look, const struct kept_outside *outside)
{
	enum status status;

	if ((status = look_at_contents(look, outside)) != STATUS_OK ||
	    (status = look_at_entries(look, outside)) != STATUS_OK ||
	    (status = look_at_addresses(look, outside)) != STATUS_OK)
		return status;
	if ((status = look_at_names(look, outside)) != STATUS_OK ||
	    (status = look_at_names_of_threads(look)) != STATUS_OK)
		return status;
	if (outside->has_common_parent &&
	    (status = kept_outside_keep(look, SNAPIMG_KEPT_PARENT_COMMON, "memory")) != STATUS_OK)
		return status;
	return kept_look_at_own_names(look, outside->process);
}
