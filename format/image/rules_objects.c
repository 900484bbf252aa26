/* The rules of what descriptors refer to: objects, their settings, contents and watches, and locks. */
#include "format/image/rules_kinds.h"

/* include/uapi/linux/eventpoll.h: EPOLLET, EPOLLONESHOT */
static const uint32_t BY_EDGES = UINT32_C(1) << 31, ONE_SHOT = UINT32_C(1) << 30;
enum { ADDRESS_MIN = 2, ADDRESS_MAX = 128, INTERFACE_VALUE_MAX = 65536 };

static bool kind_is_known(uint32_t kind)
{
	switch (kind) {
#define X(name, number, text) case number:
		SNAPIMG_OBJECT_KINDS(X)
#undef X
		return true;
	default:
		return false;
	}
}

static bool peer_is_valid(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_object *all = snapimg_get_object(image), *object = all + index;
	const struct snapimg_kind_rule *rule = snapimg_rule_of_kind(object);

	if (object->peer > index)
		return false;
	if (rule->peer == NULL)
		return object->peer == 0;
	return rule->peer(object, object->peer == 0 ? NULL : all + object->peer - 1);
}

static bool name_is_valid(const struct snapimg *image, const struct snapimg_object *object)
{
	return object->name < image->section[SNAPIMG_SECTION_STRINGS].size &&
	       (!snapimg_rule_of_kind(object)->names_path || snapimg_string(image, object->name)[0] == '/');
}

/* What only trees have: FILE in the first process's image, and in sockets, TREE in those of the others, PIDFD
 * of another process. */
static bool tree_is_valid(const struct snapimg *image, const struct snapimg_object *object)
{
	bool is_first = snapimg_member_count(image) > 0;

	if (object->kind == SNAPIMG_OBJECT_FILE)
		return (is_first || image->section[SNAPIMG_SECTION_PASSED].count > 0) &&
		       object->value[SNAPIMG_OPENED_FILE] < snapimg_file_count(image);
	if (object->kind == SNAPIMG_OBJECT_PIDFD && object->value[SNAPIMG_PIDFD_PID] != 0)
		return object->value[SNAPIMG_PIDFD_PID] <= INT32_MAX &&
		       (image->header->required_features & SNAPIMG_FEATURE_TREE) != 0;
	if (object->kind == SNAPIMG_OBJECT_AIO || object->kind == SNAPIMG_OBJECT_URING)
		return (image->header->required_features & SNAPIMG_FEATURE_RINGS) != 0;
	return object->kind != SNAPIMG_OBJECT_TREE ||
	       (!is_first && image->header->required_features & SNAPIMG_FEATURE_TREE);
}

enum snapimg_error snapimg_rule_object(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_object *object = snapimg_get_object(image) + index;
	const struct snapimg_kind_rule *rule = snapimg_rule_of_kind(object);

	if (!kind_is_known(object->kind) || (object->flags & ~(uint32_t)SNAPIMG_OPEN_FLAGS) != 0 ||
	    !name_is_valid(image, object) || !peer_is_valid(image, index) ||
	    (rule->values != NULL && !rule->values(object)) || !tree_is_valid(image, object) ||
	    (image->header->required_features & SNAPIMG_FEATURE_OBJECTS) == 0)
		return SNAPIMG_ERR_OBJECT;
	return SNAPIMG_OK;
}

static const struct snapimg_object *object_at(const struct snapimg *image, uint32_t index)
{
	return index < snapimg_object_count(image) ? snapimg_get_object(image) + index : NULL;
}

static bool bytes_are_there(const struct snapimg *image, uint64_t offset, uint64_t size)
{
	uint64_t all = image->section[SNAPIMG_SECTION_BYTES].size;

	return offset <= all && size <= all - offset;
}

/* The name of a network interface, and a number of 4 bytes at least. */
static bool is_interface(const struct snapimg *image, const struct snapimg_setting *setting)
{
	const uint8_t *name = (const uint8_t *)image->section[SNAPIMG_SECTION_BYTES].bytes + setting->offset;

	return setting->size >= SNAPIMG_INTERFACE_NAME + sizeof(uint32_t) &&
	       setting->size <= INTERFACE_VALUE_MAX && name[SNAPIMG_INTERFACE_NAME - 1] == '\0';
}

static bool is_connection(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_PAIR &&
	       object->value[SNAPIMG_SOCKET_TYPE] != SOCK_DGRAM;
}

static bool setting_fits(const struct snapimg *image, const struct snapimg_setting *setting,
                         const struct snapimg_object *object)
{
	bool is_address = setting->size >= ADDRESS_MIN && setting->size <= ADDRESS_MAX;

	if (setting->kind >= 32 || (snapimg_rule_of_kind(object)->settings >> setting->kind & 1) == 0)
		return false;
	switch (setting->kind) {
	case SNAPIMG_SETTING_OPTION:
		return setting->size > 0;
	case SNAPIMG_SETTING_BIND_GONE:
		return is_address && setting->option == 0 && object->value[SNAPIMG_SOCKET_DOMAIN] == AF_UNIX;
	case SNAPIMG_SETTING_ACCEPTED:
		return is_address && is_connection(object) &&
		       (setting->option == 0 || setting->option == 1) &&
		       (setting->level == 0 || setting->level == 1);
	case SNAPIMG_SETTING_BIND:
		return is_address && setting->option >= 0 && setting->option <= SNAPIMG_MODE_MAX;
	case SNAPIMG_SETTING_CONNECT:
		return is_address;
	case SNAPIMG_SETTING_LISTEN:
		return setting->option >= 0 && setting->size == 0;
	case SNAPIMG_SETTING_INTERFACE:
		return is_interface(image, setting);
	case SNAPIMG_SETTING_FILTER:
		return setting->size > 0 && setting->size % SNAPIMG_FILTER_SIZE == 0 &&
		       setting->size / SNAPIMG_FILTER_SIZE <= SNAPIMG_FILTER_MAX &&
		       (setting->option == 0 || setting->option == 1);
	case SNAPIMG_SETTING_OWNER:
		return setting->size == SNAPIMG_OWNER_SIZE &&
		       object->value[SNAPIMG_SOCKET_DOMAIN] == AF_UNIX &&
		       setting != snapimg_get_setting(image) && setting[-1].object == setting->object &&
		       setting[-1].kind == SNAPIMG_SETTING_BIND;
	case SNAPIMG_SETTING_FILE:
		return setting->size == SNAPIMG_FILE_SETTING_SIZE;
	case SNAPIMG_SETTING_TERMIOS:
		return setting->size == SNAPIMG_TERMIOS_SIZE;
	case SNAPIMG_SETTING_WINDOW:
		return setting->size == SNAPIMG_WINDOW_SIZE;
	default:
		return false;
	}
}

enum snapimg_error snapimg_rule_setting(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_setting *setting = snapimg_get_setting(image) + index;
	const struct snapimg_object *object = object_at(image, setting->object);

	if (object == NULL || (index > 0 && setting[-1].object > setting->object) ||
	    !bytes_are_there(image, setting->offset, setting->size) || setting->reserved_zero != 0 ||
	    !setting_fits(image, setting, object))
		return SNAPIMG_ERR_OBJECT;
	return SNAPIMG_OK;
}

/* What the program did to a terminal that is the caller's. */
enum snapimg_error snapimg_rule_stream(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_setting *stream = snapimg_get_stream(image) + index;
	uint32_t size = stream->kind == SNAPIMG_SETTING_TERMIOS  ? SNAPIMG_TERMIOS_SIZE
	                : stream->kind == SNAPIMG_SETTING_WINDOW ? SNAPIMG_WINDOW_SIZE
	                                                         : 0;

	if (size == 0 || stream->size != size || stream->level != 0 || stream->option != 0 ||
	    stream->reserved_zero != 0 || (index > 0 && stream[-1].object > stream->object) ||
	    !bytes_are_there(image, stream->offset, stream->size) ||
	    stream->object >= SNAPIMG_DESCRIPTOR_MAX ||
	    !snapimg_is_open(image, snapimg_descriptor_count(image), (int32_t)stream->object))
		return SNAPIMG_ERR_OBJECT;
	return SNAPIMG_OK;
}

bool snapimg_content_is_stored(const struct snapimg *image, const struct snapimg_content *content)
{
	if (content->stored_size == 0)
		return bytes_are_there(image, content->offset, content->size);
	return bytes_are_there(image, content->offset, content->stored_size) && content->size > 0 &&
	       content->size <= SNAPIMG_EXTENT_MAX &&
	       (image->header->required_features & SNAPIMG_FEATURE_ZSTD) != 0;
}

enum snapimg_error snapimg_rule_content(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_content *content = snapimg_get_content(image) + index;
	const struct snapimg_object *object = object_at(image, content->object);
	const struct snapimg_kind_rule *rule;

	if (object == NULL || (index > 0 && content[-1].object > content->object) ||
	    !snapimg_content_is_stored(image, content))
		return SNAPIMG_ERR_OBJECT;
	rule = snapimg_rule_of_kind(object);
	return rule->content != NULL && rule->content(object, content) ? SNAPIMG_OK : SNAPIMG_ERR_OBJECT;
}

/* Who has messages: an end of a connection, and who may be sent datagrams by its name. */
static bool has_messages(const struct snapimg_object *socket)
{
	uint64_t state = socket->value[SNAPIMG_SOCKET_STATE];

	return socket->kind == SNAPIMG_OBJECT_SOCKET && socket->value[SNAPIMG_SOCKET_DOMAIN] == AF_UNIX &&
	       (state == SNAPIMG_SOCKET_PAIR || state == SNAPIMG_SOCKET_WAITS ||
	        (state == SNAPIMG_SOCKET_SINGLE && socket->value[SNAPIMG_SOCKET_TYPE] == SOCK_DGRAM));
}

enum snapimg_error snapimg_rule_passed(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_passed *passed = snapimg_get_passed(image) + index;
	const struct snapimg_object *socket;

	if ((image->header->required_features & SNAPIMG_FEATURE_PASSED) == 0 ||
	    passed->content >= snapimg_content_count(image) || passed->position > INT64_MAX ||
	    object_at(image, passed->object) == NULL || (index > 0 && passed[-1].content > passed->content) ||
	    (index >= SNAPIMG_PASSED_MAX && passed[-SNAPIMG_PASSED_MAX].content == passed->content))
		return SNAPIMG_ERR_OBJECT;
	socket = object_at(image, snapimg_get_content(image)[passed->content].object);
	return has_messages(socket) ? SNAPIMG_OK : SNAPIMG_ERR_OBJECT;
}

static bool is_after(const struct snapimg_watch *before, const struct snapimg_watch *watch)
{
	if (before->object != watch->object)
		return before->object < watch->object;
	return before->number < watch->number ||
	       (before->number == watch->number && before->source < watch->source);
}

enum snapimg_error snapimg_rule_watch(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_watch *watch = snapimg_get_watch(image) + index;
	const struct snapimg_object *object = object_at(image, watch->object);

	if (object == NULL || (object->kind != SNAPIMG_OBJECT_EPOLL && object->kind != SNAPIMG_OBJECT_TREE) ||
	    (index > 0 && !is_after(watch - 1, watch)) ||
	    !snapimg_is_open(image, snapimg_descriptor_count(image),
	                     watch->source == 0 ? watch->number : (int32_t)(watch->source - 1)) ||
	    watch->number < 0 || watch->number >= SNAPIMG_DESCRIPTOR_MAX)
		return SNAPIMG_ERR_OBJECT;
	return SNAPIMG_OK;
}

/* An event that was taken puts what has EPOLLONESHOT to sleep, which WATCHES shows. */
enum snapimg_error snapimg_rule_edge(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_edge *edge = snapimg_get_edge(image) + index;

	if (edge->watch >= snapimg_watch_count(image) || (index > 0 && edge[-1].watch >= edge->watch) ||
	    edge->events == 0 ||
	    (snapimg_get_watch(image)[edge->watch].events & (BY_EDGES | ONE_SHOT)) != BY_EDGES)
		return SNAPIMG_ERR_OBJECT;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_lock(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_lock *lock = snapimg_get_lock(image) + index;

	if (!snapimg_is_open(image, snapimg_descriptor_count(image), lock->number) ||
	    lock->kind < SNAPIMG_LOCK_FLOCK || lock->kind > SNAPIMG_LOCK_LEASE ||
	    (lock->kind == SNAPIMG_LOCK_LEASE &&
	     (lock->exclusive != 0 || lock->start != 0 || lock->length != 0)) ||
	    lock->exclusive > 1 || lock->start > INT64_MAX || lock->length > INT64_MAX - lock->start ||
	    lock->reserved_zero != 0)
		return SNAPIMG_ERR_DESCRIPTOR;
	return SNAPIMG_OK;
}
