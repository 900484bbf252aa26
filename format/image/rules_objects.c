/* The rules of what descriptors refer to: objects, their settings, contents and watches, and locks. */
#include "format/image/check.h"

enum { MODE_MAX = 07777, ACCESS_MODE = 3 };

/* include/uapi/linux/socket.h, net.h; asm-generic/ioctls.h */
enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_SEQPACKET = 5 };
enum { ADDRESS_MIN = 2, ADDRESS_MAX = 128, INTERFACE_VALUE_MAX = 65536 };

/* Which kinds have another end or another opening of the same file. */
static bool peer_is_valid(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_object *object = snapimg_get_object(image) + index;
	const struct snapimg_object *peer;

	if (object->peer == 0)
		return object->kind != SNAPIMG_OBJECT_REOPENED &&
		       (object->kind != SNAPIMG_OBJECT_TERMINAL || object->value[SNAPIMG_TERMINAL_END] == 0);
	if (object->peer > index)
		return false;
	peer = snapimg_get_object(image) + object->peer - 1;
	switch (object->kind) {
	case SNAPIMG_OBJECT_PIPE:
		return peer->kind == SNAPIMG_OBJECT_PIPE && peer->peer == 0 &&
		       (peer->flags & ACCESS_MODE) != (object->flags & ACCESS_MODE);
	case SNAPIMG_OBJECT_SOCKET:
		return peer->kind == SNAPIMG_OBJECT_SOCKET && peer->peer == 0 &&
		       peer->value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_PAIR;
	case SNAPIMG_OBJECT_TERMINAL:
		return peer->kind == SNAPIMG_OBJECT_TERMINAL && peer->value[SNAPIMG_TERMINAL_END] == 0 &&
		       object->value[SNAPIMG_TERMINAL_END] == 1;
	case SNAPIMG_OBJECT_REOPENED:
		return peer->kind == SNAPIMG_OBJECT_MEMFD || peer->kind == SNAPIMG_OBJECT_UNLINKED;
	default:
		return false;
	}
}

static bool socket_is_valid(const uint64_t value[SNAPIMG_OBJECT_VALUES])
{
	uint64_t domain = value[SNAPIMG_SOCKET_DOMAIN], type = value[SNAPIMG_SOCKET_TYPE];
	uint64_t state = value[SNAPIMG_SOCKET_STATE];

	if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
		return false;
	if (state == SNAPIMG_SOCKET_PAIR && domain != AF_UNIX)
		return false;
	if (state == SNAPIMG_SOCKET_RESET && (domain == AF_UNIX || type != SOCK_STREAM))
		return false;
	return (type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET) &&
	       value[SNAPIMG_SOCKET_PROTOCOL] <= INT32_MAX && state <= SNAPIMG_SOCKET_RESET &&
	       value[SNAPIMG_SOCKET_SHUTDOWN] <= 3;
}

static bool values_are_valid(const struct snapimg_object *object)
{
	const uint64_t *value = object->value;

	switch (object->kind) {
	case SNAPIMG_OBJECT_PIPE:
		return value[SNAPIMG_PIPE_SIZE] <= INT32_MAX && (object->flags & ACCESS_MODE) <= 1;
	case SNAPIMG_OBJECT_EVENTFD:
		return value[SNAPIMG_EVENTFD_COUNT] != UINT64_MAX && value[SNAPIMG_EVENTFD_SEMAPHORE] <= 1;
	case SNAPIMG_OBJECT_TIMERFD:
		return value[SNAPIMG_TIMERFD_CLOCK] <= INT32_MAX &&
		       value[SNAPIMG_TIMERFD_VALUE] <= INT64_MAX &&
		       value[SNAPIMG_TIMERFD_INTERVAL] <= INT64_MAX && value[SNAPIMG_TIMERFD_FLAGS] <= 3;
	case SNAPIMG_OBJECT_MEMFD:
	case SNAPIMG_OBJECT_UNLINKED:
		return value[SNAPIMG_FILE_SIZE] <= INT64_MAX && value[SNAPIMG_FILE_MODE] <= MODE_MAX &&
		       value[SNAPIMG_FILE_SEALS] <= INT32_MAX;
	case SNAPIMG_OBJECT_SOCKET:
		return socket_is_valid(value);
	case SNAPIMG_OBJECT_FIFO:
		return value[SNAPIMG_FIFO_SIZE] <= INT32_MAX &&
		       value[SNAPIMG_FIFO_FRESH] <= ((object->flags & ACCESS_MODE) == 0) &&
		       (object->flags & ACCESS_MODE) != ACCESS_MODE;
	case SNAPIMG_OBJECT_TERMINAL:
		return value[SNAPIMG_TERMINAL_END] <= 1 && value[SNAPIMG_TERMINAL_LOCK] <= 1 &&
		       value[SNAPIMG_TERMINAL_USED] <= 1;
	default:
		return true;
	}
}

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

/* The directory where a file is made, or the file itself. */
static bool name_is_valid(const struct snapimg *image, const struct snapimg_object *object)
{
	bool is_path = object->kind == SNAPIMG_OBJECT_UNLINKED || object->kind == SNAPIMG_OBJECT_FIFO;

	return object->name < image->section[SNAPIMG_SECTION_STRINGS].size &&
	       (!is_path || snapimg_string(image, object->name)[0] == '/');
}

enum snapimg_error snapimg_rule_object(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_object *object = snapimg_get_object(image) + index;

	if (!kind_is_known(object->kind) || (object->flags & ~(uint32_t)SNAPIMG_OPEN_FLAGS) != 0 ||
	    !name_is_valid(image, object) || !peer_is_valid(image, index) || !values_are_valid(object) ||
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

static bool setting_fits(const struct snapimg *image, const struct snapimg_setting *setting,
                         const struct snapimg_object *object)
{
	bool is_address = setting->size >= ADDRESS_MIN && setting->size <= ADDRESS_MAX;
	bool is_terminal =
	        setting->kind == SNAPIMG_SETTING_TERMIOS || setting->kind == SNAPIMG_SETTING_WINDOW;

	if (object->kind != (is_terminal ? SNAPIMG_OBJECT_TERMINAL : SNAPIMG_OBJECT_SOCKET))
		return false;
	switch (setting->kind) {
	case SNAPIMG_SETTING_OPTION:
		return setting->size > 0;
	case SNAPIMG_SETTING_BIND:
		return is_address && setting->option >= 0 && setting->option <= MODE_MAX;
	case SNAPIMG_SETTING_CONNECT:
		return is_address;
	case SNAPIMG_SETTING_LISTEN:
		return setting->option >= 0 && setting->size == 0;
	case SNAPIMG_SETTING_INTERFACE:
		return is_interface(image, setting);
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

	if (object == NULL || (index > 0 && content[-1].object > content->object) ||
	    !snapimg_content_is_stored(image, content))
		return SNAPIMG_ERR_OBJECT;
	switch (object->kind) {
	case SNAPIMG_OBJECT_MEMFD:
	case SNAPIMG_OBJECT_UNLINKED:
		if (content->position > object->value[SNAPIMG_FILE_SIZE] ||
		    content->size > object->value[SNAPIMG_FILE_SIZE] - content->position)
			return SNAPIMG_ERR_OBJECT;
		return SNAPIMG_OK;
	case SNAPIMG_OBJECT_SOCKET:
		if (object->value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_RESET)
			return SNAPIMG_ERR_OBJECT;
		return content->position == 0 ? SNAPIMG_OK : SNAPIMG_ERR_OBJECT;
	case SNAPIMG_OBJECT_FIFO:
		if (object->value[SNAPIMG_FIFO_FRESH] != 0)
			return SNAPIMG_ERR_OBJECT;
		return content->position == 0 ? SNAPIMG_OK : SNAPIMG_ERR_OBJECT;
	case SNAPIMG_OBJECT_PIPE:
		return content->position == 0 ? SNAPIMG_OK : SNAPIMG_ERR_OBJECT;
	default:
		return SNAPIMG_ERR_OBJECT;
	}
}

enum snapimg_error snapimg_rule_watch(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_watch *watch = snapimg_get_watch(image) + index;
	const struct snapimg_object *object = object_at(image, watch->object);

	if (object == NULL || object->kind != SNAPIMG_OBJECT_EPOLL || watch->reserved_zero != 0 ||
	    (index > 0 && (watch[-1].object > watch->object ||
	                   (watch[-1].object == watch->object && watch[-1].number >= watch->number))) ||
	    !snapimg_is_open(image, snapimg_descriptor_count(image), watch->number))
		return SNAPIMG_ERR_OBJECT;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_lock(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_lock *lock = snapimg_get_lock(image) + index;

	if (!snapimg_is_open(image, snapimg_descriptor_count(image), lock->number) ||
	    lock->kind < SNAPIMG_LOCK_FLOCK || lock->kind > SNAPIMG_LOCK_OFD || lock->exclusive > 1 ||
	    lock->start > INT64_MAX || lock->length > INT64_MAX - lock->start || lock->reserved_zero != 0)
		return SNAPIMG_ERR_DESCRIPTOR;
	return SNAPIMG_OK;
}
