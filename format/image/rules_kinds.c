/* The rules of each kind of object: its values, its peer, its contents, and which settings it may have. */
#include "format/image/rules_kinds.h"

enum { FIFO_TYPE = 010000, ACCESS_MODE = 3 };
enum {
	STATES_OF_MASTERS = SNAPIMG_TERMINAL_LOCKED | SNAPIMG_TERMINAL_PACKETS,
	STATES_OF_TERMINALS = SNAPIMG_TERMINAL_STOPPED | SNAPIMG_TERMINAL_EXCLUSIVE,
	TERMINAL_BYTES_MAX = 8192, /* of one content: more than a read of it gives */
};
/* include/linux/ipc_namespace.h: HARD_MSGMAX, HARD_MSGSIZEMAX; MQ_PRIO_MAX */
enum { QUEUE_MESSAGES_MAX = 65536, QUEUE_SIZE_MAX = 16 << 20, QUEUE_PRIORITY_MAX = 32767 };

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
	       object->value[SNAPIMG_FILE_MODE] <= SNAPIMG_MODE_MAX &&
	       object->value[SNAPIMG_FILE_SEALS] <= INT32_MAX;
}

static bool removed_values(const struct snapimg_object *object)
{
	return object->value[SNAPIMG_FILE_MODE] <= SNAPIMG_MODE_MAX;
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
	        (object->value[SNAPIMG_FIFO_MADE] & ~(uint64_t)SNAPIMG_MODE_MAX) == FIFO_TYPE) &&
	       access_mode(object) != ACCESS_MODE;
}

static bool fifo_content(const struct snapimg_object *object, const struct snapimg_content *content)
{
	return object->value[SNAPIMG_FIFO_FRESH] == 0 && pipe_content(object, content);
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

	return value[SNAPIMG_MQUEUE_MODE] <= SNAPIMG_MODE_MAX && value[SNAPIMG_MQUEUE_MESSAGES] >= 1 &&
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
static const struct snapimg_kind_rule kind_rules[] = {
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

const struct snapimg_kind_rule *snapimg_rule_of_kind(const struct snapimg_object *object)
{
	static const struct snapimg_kind_rule none = {NULL, NULL, NULL, 0, false};

	return object->kind < KIND_RULES ? &kind_rules[object->kind] : &none;
}
