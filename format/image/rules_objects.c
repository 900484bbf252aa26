/* The rules of what descriptors refer to: objects, their settings, contents and watches, and locks. */
#include "format/image/check.h"

enum { MODE_MAX = 07777, FIFO_TYPE = 010000, ACCESS_MODE = 3 };
enum {
	STATES_OF_MASTERS = SNAPIMG_TERMINAL_LOCKED | SNAPIMG_TERMINAL_PACKETS,
	STATES_OF_TERMINALS = SNAPIMG_TERMINAL_STOPPED | SNAPIMG_TERMINAL_EXCLUSIVE,
	TERMINAL_BYTES_MAX = 8192, /* of one content: more than a read of it gives */
};
/* include/linux/ipc_namespace.h: HARD_MSGMAX, HARD_MSGSIZEMAX; MQ_PRIO_MAX */
enum { QUEUE_MESSAGES_MAX = 65536, QUEUE_SIZE_MAX = 16 << 20, QUEUE_PRIORITY_MAX = 32767 };

/* include/uapi/linux/socket.h, net.h; asm-generic/ioctls.h */
enum {
	AF_UNIX = 1,
	AF_INET = 2,
	AF_INET6 = 10,
	AF_NETLINK = 16,
	SOCK_STREAM = 1,
	SOCK_DGRAM = 2,
	SOCK_RAW = 3,
	SOCK_SEQPACKET = 5
};
/* include/uapi/linux/eventpoll.h: EPOLLET, EPOLLONESHOT */
static const uint32_t BY_EDGES = UINT32_C(1) << 31, ONE_SHOT = UINT32_C(1) << 30;
enum { ADDRESS_MIN = 2, ADDRESS_MAX = 128, INTERFACE_VALUE_MAX = 65536 };

typedef bool object_rule(const struct snapimg_object *object);
typedef bool peer_rule(const struct snapimg_object *object, const struct snapimg_object *peer);
typedef bool content_rule(const struct snapimg_object *object, const struct snapimg_content *content);

/* What is particular to a kind. NULL: any values, no peer, no contents. */
struct kind_rule {
	object_rule *values;
	peer_rule *peer; /* of the peer, or of NULL where there is none */
	content_rule *content;
	uint32_t settings; /* bit n: settings of that kind fit */
	bool names_path;   /* `name` is absolute: the directory where a file is made, or the file itself */
};

static uint32_t access_mode(const struct snapimg_object *object)
{
	return object->flags & ACCESS_MODE;
}

static bool pipe_values(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_PIPE_SIZE] <= INT32_MAX && access_mode(object) != ACCESS_MODE;
}

static bool pipe_peer(const struct snapimg_object *object, const struct snapimg_object *peer)
{
	return peer == NULL || (peer->kind == SNAPIMG_OBJECT_PIPE && peer->peer == 0 &&
	                        access_mode(peer) + access_mode(object) == 1);
}

static bool pipe_content(const struct snapimg_object *object, const struct snapimg_content *content)
{
	(void)object;
	return content->position == 0 ||
	       (content->position == SNAPIMG_PIPE_PACKET && content->size <= SNAPIMG_PIPE_PACKET_MAX);
}

static bool eventfd_values(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_EVENTFD_COUNT] != UINT64_MAX &&
	       object->value[SNAPIMG_EVENTFD_SEMAPHORE] <= 1;
}

static bool timerfd_values(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_TIMERFD_CLOCK] <= INT32_MAX &&
	       object->value[SNAPIMG_TIMERFD_VALUE] <= INT64_MAX &&
	       object->value[SNAPIMG_TIMERFD_INTERVAL] <= INT64_MAX &&
	       object->value[SNAPIMG_TIMERFD_FLAGS] <= 3;
}

static bool file_values(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_FILE_SIZE] <= INT64_MAX &&
	       object->value[SNAPIMG_FILE_MODE] <= MODE_MAX && object->value[SNAPIMG_FILE_SEALS] <= INT32_MAX;
}

static bool removed_values(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_FILE_MODE] <= MODE_MAX;
}

static bool file_content(const struct snapimg_object *object, const struct snapimg_content *content)
{
	return content->position <= object->value[SNAPIMG_FILE_SIZE] &&
	       content->size <= object->value[SNAPIMG_FILE_SIZE] - content->position;
}

static bool reopened_peer(const struct snapimg_object *object, const struct snapimg_object *peer)
{
	(void)object;
	return peer != NULL && (peer->kind == SNAPIMG_OBJECT_MEMFD || peer->kind == SNAPIMG_OBJECT_UNLINKED ||
	                        peer->kind == SNAPIMG_OBJECT_PIPE || peer->kind == SNAPIMG_OBJECT_MQUEUE ||
	                        peer->kind == SNAPIMG_OBJECT_REMOVED);
}

static bool fifo_values(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_FIFO_SIZE] <= INT32_MAX &&
	       object->value[SNAPIMG_FIFO_FRESH] <= (access_mode(object) == 0) &&
	       (object->value[SNAPIMG_FIFO_MADE] == 0 ||
	        (object->value[SNAPIMG_FIFO_MADE] & ~(uint64_t)MODE_MAX) == FIFO_TYPE) &&
	       access_mode(object) != ACCESS_MODE;
}

static bool fifo_content(const struct snapimg_object *object, const struct snapimg_content *content)
{
	return object->value[SNAPIMG_FIFO_FRESH] == 0 && content->position == 0;
}

static bool socket_values(const struct snapimg_object *object)
{
	const uint64_t *value = object->value;
	uint64_t domain = value[SNAPIMG_SOCKET_DOMAIN], type = value[SNAPIMG_SOCKET_TYPE];
	uint64_t state = value[SNAPIMG_SOCKET_STATE];

	if (domain == AF_NETLINK)
		return (type == SOCK_DGRAM || type == SOCK_RAW) && state == SNAPIMG_SOCKET_SINGLE &&
		       value[SNAPIMG_SOCKET_PROTOCOL] <= INT32_MAX && value[SNAPIMG_SOCKET_SHUTDOWN] == 0;
	if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
		return false;
	if (state == SNAPIMG_SOCKET_PAIR && domain != AF_UNIX)
		return false;
	if (state == SNAPIMG_SOCKET_WAITS && type == SOCK_DGRAM)
		return false;
	if ((state == SNAPIMG_SOCKET_RESET || state == SNAPIMG_SOCKET_TCP) &&
	    (domain == AF_UNIX || type != SOCK_STREAM))
		return false;
	return (type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET) &&
	       value[SNAPIMG_SOCKET_PROTOCOL] <= INT32_MAX && state <= SNAPIMG_SOCKET_WAITS &&
	       value[SNAPIMG_SOCKET_SHUTDOWN] <= 3;
}

static bool socket_peer(const struct snapimg_object *object, const struct snapimg_object *peer)
{
	uint64_t state = object->value[SNAPIMG_SOCKET_STATE];

	return peer == NULL || (peer->kind == SNAPIMG_OBJECT_SOCKET && peer->peer == 0 &&
	                        (state == SNAPIMG_SOCKET_PAIR || state == SNAPIMG_SOCKET_TCP) &&
	                        peer->value[SNAPIMG_SOCKET_STATE] == state);
}

static bool socket_content(const struct snapimg_object *object, const struct snapimg_content *content)
{
	return object->value[SNAPIMG_SOCKET_STATE] != SNAPIMG_SOCKET_RESET && content->position == 0;
}

static bool terminal_values(const struct snapimg_object *object)
{
	uint64_t states =
	        STATES_OF_TERMINALS | (object->value[SNAPIMG_TERMINAL_END] == 0 ? STATES_OF_MASTERS : 0);

	return object->value[SNAPIMG_TERMINAL_END] <= 1 &&
	       (object->value[SNAPIMG_TERMINAL_STATE] & ~states) == 0 &&
	       object->value[SNAPIMG_TERMINAL_USED] <= 1 &&
	       (object->value[SNAPIMG_TERMINAL_EVENTS] & ~(uint64_t)SNAPIMG_TERMINAL_ALL_EVENTS) == 0;
}

static bool terminal_content(const struct snapimg_object *object, const struct snapimg_content *content)
{
	return object->value[SNAPIMG_TERMINAL_END] == 0 && content->position <= SNAPIMG_TERMINAL_BEGUN &&
	       content->size <= TERMINAL_BYTES_MAX &&
	       (object->value[SNAPIMG_TERMINAL_STATE] & SNAPIMG_TERMINAL_LOCKED) == 0;
}

static bool terminal_peer(const struct snapimg_object *object, const struct snapimg_object *peer)
{
	if (peer == NULL)
		return object->value[SNAPIMG_TERMINAL_END] == 0;
	return peer->kind == SNAPIMG_OBJECT_TERMINAL && peer->value[SNAPIMG_TERMINAL_END] == 0 &&
	       object->value[SNAPIMG_TERMINAL_END] == 1;
}

static bool callers_values(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_CALLERS_NUMBER] < SNAPIMG_DESCRIPTOR_MAX;
}

static bool opened_values(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_OPENED_POSITION] <= INT64_MAX;
}

static bool mqueue_values(const struct snapimg_object *object)
{
	const uint64_t *value = object->value;

	return value[SNAPIMG_MQUEUE_MODE] <= MODE_MAX && value[SNAPIMG_MQUEUE_MESSAGES] >= 1 &&
	       value[SNAPIMG_MQUEUE_MESSAGES] <= QUEUE_MESSAGES_MAX && value[SNAPIMG_MQUEUE_SIZE] >= 1 &&
	       value[SNAPIMG_MQUEUE_SIZE] <= QUEUE_SIZE_MAX && value[SNAPIMG_MQUEUE_GONE] <= 1;
}

/* A message, and its priority. */
static bool mqueue_content(const struct snapimg_object *object, const struct snapimg_content *content)
{
	return content->position <= QUEUE_PRIORITY_MAX && content->size <= object->value[SNAPIMG_MQUEUE_SIZE];
}

static bool aio_values(const struct snapimg_object *object)
{
	uint64_t events = object->value[SNAPIMG_AIO_EVENTS];

	return events >= 1 && events <= UINT32_C(1) << 23 && object->value[SNAPIMG_AIO_HEAD] < events &&
	       object->value[SNAPIMG_AIO_TAIL] < events;
}

/* All that waits. */
static bool aio_content(const struct snapimg_object *object, const struct snapimg_content *content)
{
	uint64_t events = object->value[SNAPIMG_AIO_EVENTS];
	uint64_t waiting =
	        (object->value[SNAPIMG_AIO_TAIL] + events - object->value[SNAPIMG_AIO_HEAD]) % events;

	return content->position == 0 && content->size == waiting * SNAPIMG_AIO_EVENT_SIZE;
}

static bool is_power_of_2(uint64_t number)
{
	return number != 0 && (number & (number - 1)) == 0;
}

static bool uring_values(const struct snapimg_object *object)
{
	uint64_t sq = (uint32_t)object->value[SNAPIMG_URING_ENTRIES],
	         cq = object->value[SNAPIMG_URING_ENTRIES] >> 32;

	return is_power_of_2(sq) && is_power_of_2(cq) && sq <= SNAPIMG_URING_CQ_MAX / 2 && sq <= cq &&
	       cq <= SNAPIMG_URING_CQ_MAX && object->value[SNAPIMG_URING_WAITING] <= cq;
}

static bool uring_content(const struct snapimg_object *object, const struct snapimg_content *content)
{
	uint64_t base = content->position >= SNAPIMG_URING_SQES ? SNAPIMG_URING_SQES : 0;
	uint64_t from = content->position - base;

	(void)object;
	return from <= SNAPIMG_URING_PART_MAX && content->size <= SNAPIMG_URING_PART_MAX - from;
}

#define SETTINGS_OF_SOCKETS                                                                                  \
	(1u << SNAPIMG_SETTING_ACCEPTED | 1u << SNAPIMG_SETTING_BIND_GONE | 1u << SNAPIMG_SETTING_OPTION |   \
	 1u << SNAPIMG_SETTING_BIND | 1u << SNAPIMG_SETTING_LISTEN | 1u << SNAPIMG_SETTING_CONNECT |         \
	 1u << SNAPIMG_SETTING_INTERFACE | 1u << SNAPIMG_SETTING_FILTER | 1u << SNAPIMG_SETTING_OWNER)
#define SETTINGS_OF_FILES     (1u << SNAPIMG_SETTING_FILE)
#define SETTINGS_OF_TERMINALS (1u << SNAPIMG_SETTING_TERMIOS | 1u << SNAPIMG_SETTING_WINDOW)

/* A row of SNAPIMG_OBJECT_KINDS that has nothing to say here has none of these. */
static const struct kind_rule kind_rules[] = {
        [SNAPIMG_OBJECT_PIPE] = {pipe_values, pipe_peer, pipe_content, 0, false},
        [SNAPIMG_OBJECT_EVENTFD] = {eventfd_values, NULL, NULL, 0, false},
        [SNAPIMG_OBJECT_TIMERFD] = {timerfd_values, NULL, NULL, 0, false},
        [SNAPIMG_OBJECT_MEMFD] = {file_values, NULL, file_content, SETTINGS_OF_FILES, false},
        [SNAPIMG_OBJECT_UNLINKED] = {file_values, NULL, file_content, SETTINGS_OF_FILES, true},
        [SNAPIMG_OBJECT_REOPENED] = {NULL, reopened_peer, NULL, 0, false},
        [SNAPIMG_OBJECT_FIFO] = {fifo_values, NULL, fifo_content, 0, true},
        [SNAPIMG_OBJECT_SOCKET] = {socket_values, socket_peer, socket_content, SETTINGS_OF_SOCKETS, false},
        [SNAPIMG_OBJECT_TERMINAL] = {terminal_values, terminal_peer, terminal_content, SETTINGS_OF_TERMINALS,
                                     false},
        [SNAPIMG_OBJECT_CALLERS] = {callers_values, NULL, NULL, 0, false},
        [SNAPIMG_OBJECT_FILE] = {opened_values, NULL, NULL, 0, false},
        [SNAPIMG_OBJECT_MQUEUE] = {mqueue_values, NULL, mqueue_content, 0, true},
        [SNAPIMG_OBJECT_AIO] = {aio_values, NULL, aio_content, 0, false},
        [SNAPIMG_OBJECT_URING] = {uring_values, NULL, uring_content, 0, false},
        [SNAPIMG_OBJECT_REMOVED] = {removed_values, NULL, NULL, 0, true},
};
enum { KIND_RULES = sizeof(kind_rules) / sizeof(*kind_rules) };

static const struct kind_rule *rule_of(const struct snapimg_object *object)
{
	static const struct kind_rule none = {NULL, NULL, NULL, 0, false};

	return object->kind < KIND_RULES ? &kind_rules[object->kind] : &none;
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

static bool peer_is_valid(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_object *all = snapimg_get_object(image), *object = all + index;
	const struct kind_rule *rule = rule_of(object);

	if (object->peer > index)
		return false;
	if (rule->peer == NULL)
		return object->peer == 0;
	return rule->peer(object, object->peer == 0 ? NULL : all + object->peer - 1);
}

static bool name_is_valid(const struct snapimg *image, const struct snapimg_object *object)
{
	return object->name < image->section[SNAPIMG_SECTION_STRINGS].size &&
	       (!rule_of(object)->names_path || snapimg_string(image, object->name)[0] == '/');
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
	const struct kind_rule *rule = rule_of(object);

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

	if (setting->kind >= 32 || (rule_of(object)->settings >> setting->kind & 1) == 0)
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
		return is_address && setting->option >= 0 && setting->option <= MODE_MAX;
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
	const struct kind_rule *rule;

	if (object == NULL || (index > 0 && content[-1].object > content->object) ||
	    !snapimg_content_is_stored(image, content))
		return SNAPIMG_ERR_OBJECT;
	rule = rule_of(object);
	return rule->content != NULL && rule->content(object, content) ? SNAPIMG_OK : SNAPIMG_ERR_OBJECT;
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
	return socket->kind == SNAPIMG_OBJECT_SOCKET && socket->value[SNAPIMG_SOCKET_DOMAIN] == AF_UNIX &&
	                       (socket->value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_PAIR ||
	                        socket->value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_WAITS)
	               ? SNAPIMG_OK
	               : SNAPIMG_ERR_OBJECT;
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
