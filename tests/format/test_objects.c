/* The rules of what descriptors refer to: each row is one record that is right or wrong in one thing. */
#include <string.h>

#include "../check.h"
#include "format/image/check.h"

static struct snapimg_header header = {.required_features = SNAPIMG_FEATURE_OBJECTS | SNAPIMG_FEATURE_OWNERS};
static const char strings[] = "\0/tmp\0name";
static const char bytes[100] = {[47] = 'x'}; /* the end of a name at 32 */

enum { PIPE, PIPE_END, EPOLL, MEMFD, UNIX, MASTER, INOTIFY, RESET, FRESH, OBJECTS };
static const struct snapimg_object objects[OBJECTS] = {
        [PIPE] = {.kind = SNAPIMG_OBJECT_PIPE},
        [PIPE_END] = {.kind = SNAPIMG_OBJECT_PIPE, .flags = 1, .peer = PIPE + 1},
        [EPOLL] = {.kind = SNAPIMG_OBJECT_EPOLL},
        [MEMFD] = {.kind = SNAPIMG_OBJECT_MEMFD, .name = 6, .value = {1000}},
        [MASTER] = {.kind = SNAPIMG_OBJECT_TERMINAL},
        [INOTIFY] = {.kind = SNAPIMG_OBJECT_INOTIFY},
        [RESET] = {.kind = SNAPIMG_OBJECT_SOCKET, .value = {2, 1, 6, SNAPIMG_SOCKET_RESET}},
        [FRESH] = {.kind = SNAPIMG_OBJECT_FIFO, .name = 1, .value = {4096, 1}},
        [UNIX] = {.kind = SNAPIMG_OBJECT_SOCKET, .value = {1, 1, 0, SNAPIMG_SOCKET_PAIR}},
};
static const struct snapimg_content contents[] = {{.object = PIPE}, {.object = UNIX}};
/* By edges, also once only, and neither. */
static const struct snapimg_watch watches[] = {{.events = 1u << 31}, {.events = 3u << 30}, {.events = 1}};
static const struct snapimg_descriptor descriptors[] = {{.number = 3, .kind = SNAPIMG_DESCRIPTOR_OBJECT}};

static enum snapimg_error apply(uint32_t section, const void *record, snapimg_rule *rule)
{
	struct snapimg_object all[OBJECTS + 1];
	struct snapimg image = {.header = &header};

	memcpy(all, objects, sizeof(objects));
	image.section[SNAPIMG_SECTION_STRINGS] =
	        (struct snapimg_view){strings, sizeof(strings), sizeof(strings)};
	image.section[SNAPIMG_SECTION_BYTES] = (struct snapimg_view){bytes, sizeof(bytes), sizeof(bytes)};
	image.section[SNAPIMG_SECTION_DESCRIPTORS] =
	        (struct snapimg_view){descriptors, sizeof(descriptors), 1};
	image.section[SNAPIMG_SECTION_OBJECTS] = (struct snapimg_view){all, sizeof(objects), OBJECTS};
	image.section[SNAPIMG_SECTION_CONTENTS] = (struct snapimg_view){contents, sizeof(contents), 2};
	image.section[SNAPIMG_SECTION_WATCHES] = (struct snapimg_view){watches, sizeof(watches), 3};
	if (section != SNAPIMG_SECTION_OBJECTS) {
		image.section[section] = (struct snapimg_view){record, 0, 1};
		return rule(&image, 0);
	}
	memcpy(&all[OBJECTS], record, sizeof(*all));
	image.section[section] = (struct snapimg_view){all, sizeof(all), OBJECTS + 1};
	return rule(&image, OBJECTS);
}

#define OBJECT(error, ...)  ROW(error, OBJECTS, object, __VA_ARGS__)
#define SETTING(error, ...) ROW(error, SETTINGS, setting, __VA_ARGS__)
#define CONTENT(error, ...) ROW(error, CONTENTS, content, __VA_ARGS__)
#define WATCH(error, ...)   ROW(error, WATCHES, watch, __VA_ARGS__)
#define EDGE(error, ...)    ROW(error, EDGES, edge, __VA_ARGS__)
#define WATCHED(error, ...) ROW(error, INOTIFY, inotify, __VA_ARGS__)
#define PASSED(error, ...)  ROW(error, PASSED, passed, __VA_ARGS__)
#define OWNER(error, ...)   ROW(error, OWNERS, owner, __VA_ARGS__)
#define LOCK(error, ...)    ROW(error, LOCKS, lock, __VA_ARGS__)
#define ROW(error, SECTION, record, ...)                                                                     \
	EXPECT(apply(SNAPIMG_SECTION_##SECTION, &(struct snapimg_##record){__VA_ARGS__},                     \
	             snapimg_rule_##record) == SNAPIMG_ERR_##error);

static void test_pipes_and_events(void)
{
	OBJECT(OK, .kind = SNAPIMG_OBJECT_EVENTFD, .value = {5, 1})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_REOPENED, .peer = MEMFD + 1)
	OBJECT(OK, .kind = SNAPIMG_OBJECT_SOCKET, .peer = UNIX + 1, .value = {1, 1, 0, SNAPIMG_SOCKET_PAIR})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_UNLINKED, .name = 1, .value = {5, 0644})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_PIPE, .peer = PIPE + 1, .flags = 1)
	OBJECT(OBJECT, .kind = 0)
	OBJECT(OK, .kind = SNAPIMG_OBJECT_CALLERS, .value = {2})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_CALLERS, .value = {1 << 20})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_CALLERS, .peer = 1)
	OBJECT(OK, .kind = SNAPIMG_OBJECT_PIDFD)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_PIDFD, .value = {100})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_ENDED)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_ENDED, .peer = 1)
	OBJECT(OBJECT, .kind = 16)
	OBJECT(OBJECT, .kind = 99)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_EPOLL, .flags = 0100)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_EPOLL, .name = 100)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_EPOLL, .peer = EPOLL + 1)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_UNLINKED, .name = 6)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_REOPENED)
	OBJECT(OK, .kind = SNAPIMG_OBJECT_REOPENED, .peer = PIPE + 1)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_REOPENED, .peer = EPOLL + 1)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_REOPENED, .peer = OBJECTS + 1)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_PIPE, .peer = PIPE + 1)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_PIPE, .peer = PIPE_END + 1)
	OBJECT(OK, .kind = SNAPIMG_OBJECT_PIPE, .flags = 2)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_PIPE, .flags = 2, .peer = PIPE + 1)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_PIPE, .flags = 3)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_PIPE, .value = {UINT64_MAX})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_EVENTFD, .value = {UINT64_MAX})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_EVENTFD, .value = {0, 2})
}

static void test_queues_and_rings(void)
{
	OBJECT(OK, .kind = SNAPIMG_OBJECT_MQUEUE, .name = 1, .value = {0600, 65536, 1 << 24, 1})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_MQUEUE, .name = 6, .value = {0600, 1, 1, 0})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_MQUEUE, .name = 1, .value = {010000, 1, 1, 0})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_MQUEUE, .name = 1, .value = {0600, 0, 1, 0})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_MQUEUE, .name = 1, .value = {0600, 65537, 1, 0})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_MQUEUE, .name = 1, .value = {0600, 1, 0, 0})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_MQUEUE, .name = 1, .value = {0600, 1, (1 << 24) + 1, 0})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_MQUEUE, .name = 1, .value = {0600, 1, 1, 2})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_AIO, .value = {127, 5, 7})
	header.required_features |= SNAPIMG_FEATURE_RINGS;
	OBJECT(OK, .kind = SNAPIMG_OBJECT_AIO, .value = {127, 5, 7})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_AIO, .value = {127, 127, 7})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_AIO, .value = {127, 0, 127})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_AIO, .value = {0, 0, 0})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_AIO, .value = {(1 << 23) + 1, 0, 0})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_URING, .value = {0, 8 | UINT64_C(16) << 32, 0, 0, 16})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_URING, .value = {0, 8 | UINT64_C(16) << 32, 0, 0, 17})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_URING, .value = {0, 7 | UINT64_C(16) << 32})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_URING, .value = {0, 8 | UINT64_C(4) << 32})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_URING, .value = {0, 8 | UINT64_C(1) << 49})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_URING, .value = {0, 1 << 16 | UINT64_C(1) << 48})
	header.required_features &= ~(uint64_t)SNAPIMG_FEATURE_RINGS;
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TIMERFD, .value = {0, UINT64_MAX})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TIMERFD, .value = {[4] = 4})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_MEMFD, .value = {0, 010000})
}

static void test_sockets(void)
{
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {3, 1})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {1, 3})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {2, 1, 0, SNAPIMG_SOCKET_PAIR})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {1, 1, 0, SNAPIMG_SOCKET_RESET})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_SOCKET, .value = {10, 1, 6, SNAPIMG_SOCKET_RESET})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {2, 2, 0, SNAPIMG_SOCKET_RESET})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {2, 1, 0, 5})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_SOCKET, .value = {2, 1, 6, SNAPIMG_SOCKET_TCP})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {1, 1, 0, SNAPIMG_SOCKET_TCP})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .peer = UNIX + 1,
	       .value = {2, 1, 6, SNAPIMG_SOCKET_TCP})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .peer = UNIX + 1,
	       .value = {1, 1, 0, SNAPIMG_SOCKET_WAITS})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_SOCKET, .value = {1, 5, 0, SNAPIMG_SOCKET_WAITS})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_SOCKET, .value = {16, 3, 15})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {16, 1, 15})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {16, 3, 15, SNAPIMG_SOCKET_WAITS})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {1, 2, 0, SNAPIMG_SOCKET_WAITS})
}

static void test_fifos_and_terminals(void)
{
	OBJECT(OK, .kind = SNAPIMG_OBJECT_INOTIFY)
	OBJECT(OK, .kind = SNAPIMG_OBJECT_REMOVED, .name = 1, .value = {0, 07777})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_REMOVED, .name = 1, .value = {0, 010000})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_REMOVED, .name = 6)
	OBJECT(OK, .kind = SNAPIMG_OBJECT_FIFO, .name = 1, .value = {4096, 1})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_FIFO, .name = 1, .flags = 2, .value = {4096})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_FIFO, .name = 6)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_FIFO, .name = 1, .flags = 3)
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_FIFO, .name = 1, .flags = 1, .value = {4096, 1})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_FIFO, .name = 1, .value = {4096, 2})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_FIFO, .name = 1, .value = {UINT64_MAX})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_TERMINAL, .value = {0, 1, 1})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_TERMINAL, .peer = MASTER + 1, .value = {1})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TERMINAL, .value = {1})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TERMINAL, .peer = MASTER + 1, .value = {0})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TERMINAL, .peer = PIPE + 1, .value = {1})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TERMINAL, .value = {2})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_TERMINAL, .value = {0, 3})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_TERMINAL, .value = {0, 15, 1, 59})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TERMINAL, .value = {0, 16})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TERMINAL, .value = {0, 2, 1, 4})
	OBJECT(OK, .kind = SNAPIMG_OBJECT_TERMINAL, .peer = MASTER + 1, .value = {1, 12})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TERMINAL, .peer = MASTER + 1, .value = {1, 2})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_TERMINAL, .value = {0, 0, 2})
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_SOCKET, .value = {1, 1, 0, 0, 4})
}

static void test_without_the_feature(void)
{
	header.required_features = 0;
	OBJECT(OBJECT, .kind = SNAPIMG_OBJECT_EPOLL)
	header.required_features = SNAPIMG_FEATURE_OBJECTS | SNAPIMG_FEATURE_OWNERS;
}

static void test_settings(void)
{
	SETTING(OK, .object = UNIX, .kind = SNAPIMG_SETTING_OPTION, .offset = 96, .size = 4)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_OPTION, .offset = 97, .size = 4)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_OPTION, .offset = UINT64_MAX, .size = 4)
	SETTING(OBJECT, .object = OBJECTS, .kind = SNAPIMG_SETTING_LISTEN)
	SETTING(OBJECT, .object = PIPE, .kind = SNAPIMG_SETTING_LISTEN)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_LISTEN, .option = -1)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_BIND, .size = 1)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_BIND, .size = 10, .option = 010000)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_BIND_GONE, .size = 10, .option = 1)
	SETTING(OK, .object = UNIX, .kind = SNAPIMG_SETTING_BIND_GONE, .size = 10)
	SETTING(OK, .object = UNIX, .kind = SNAPIMG_SETTING_ACCEPTED, .size = 10, .option = 1)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_ACCEPTED, .size = 10, .option = 2)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_ACCEPTED, .size = 10, .level = 2)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_ACCEPTED, .size = 1)
	SETTING(OBJECT, .object = RESET, .kind = SNAPIMG_SETTING_ACCEPTED, .size = 10)
	SETTING(OBJECT, .object = UNIX, .kind = 13)
	SETTING(OK, .object = MEMFD, .kind = SNAPIMG_SETTING_FILE, .size = 16)
	SETTING(OBJECT, .object = MEMFD, .kind = SNAPIMG_SETTING_FILE, .size = 8)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_FILE, .size = 16)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_OWNER, .size = 8)
	SETTING(OK, .object = UNIX, .kind = SNAPIMG_SETTING_FILTER, .size = 16, .option = 1)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_FILTER, .size = 15)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_FILTER)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_FILTER, .size = 16, .option = 2)
	SETTING(OBJECT, .object = MASTER, .kind = SNAPIMG_SETTING_FILTER, .size = 16)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_LISTEN, .reserved_zero = 1)
	SETTING(OK, .object = UNIX, .kind = SNAPIMG_SETTING_INTERFACE, .size = 20)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_INTERFACE, .size = 19)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_INTERFACE, .offset = 32, .size = 20)
	SETTING(OBJECT, .object = MASTER, .kind = SNAPIMG_SETTING_INTERFACE, .size = 20)
	SETTING(OK, .object = MASTER, .kind = SNAPIMG_SETTING_TERMIOS, .size = 44)
	SETTING(OBJECT, .object = MASTER, .kind = SNAPIMG_SETTING_TERMIOS, .size = 43)
	SETTING(OBJECT, .object = UNIX, .kind = SNAPIMG_SETTING_TERMIOS, .size = 44)
	SETTING(OK, .object = MASTER, .kind = SNAPIMG_SETTING_WINDOW, .size = 8)
	SETTING(OBJECT, .object = MASTER, .kind = SNAPIMG_SETTING_WINDOW, .size = 9)
	SETTING(OBJECT, .object = MASTER, .kind = SNAPIMG_SETTING_OPTION, .size = 8)
}

static void test_contents(void)
{
	CONTENT(OBJECT, .object = RESET, .size = 1)
	CONTENT(OBJECT, .object = FRESH, .size = 1)
	CONTENT(OK, .object = MASTER, .position = 2)
	CONTENT(OBJECT, .object = MASTER, .position = 3)
	CONTENT(OK, .object = MEMFD, .position = 900, .size = 100)
	CONTENT(OBJECT, .object = MEMFD, .position = 901, .size = 100)
	CONTENT(OBJECT, .object = MEMFD, .position = UINT64_MAX, .size = 2)
	CONTENT(OBJECT, .object = MEMFD, .size = 101)
	CONTENT(OBJECT, .object = EPOLL, .size = 1)
	CONTENT(OK, .object = PIPE, .position = 1, .size = 1)
	CONTENT(OBJECT, .object = PIPE, .position = 2, .size = 1)
	CONTENT(OBJECT, .object = PIPE, .position = 1, .size = 4097)
	CONTENT(OBJECT, .object = OBJECTS, .size = 1)
	CONTENT(OBJECT, .object = PIPE, .size = 1, .stored_size = 1)
	header.required_features |= SNAPIMG_FEATURE_ZSTD;
	CONTENT(OK, .object = PIPE, .offset = 99, .size = SNAPIMG_EXTENT_MAX, .stored_size = 1)
	CONTENT(OBJECT, .object = PIPE, .offset = 99, .size = 5, .stored_size = 2)
	CONTENT(OBJECT, .object = PIPE, .size = SNAPIMG_EXTENT_MAX + 1, .stored_size = 1)
	CONTENT(OBJECT, .object = PIPE, .size = 0, .stored_size = 1)
	header.required_features |= SNAPIMG_FEATURE_PASSED;
	PASSED(OK, .content = 1, .object = MEMFD, .position = INT64_MAX)
	PASSED(OBJECT, .content = 1, .object = OBJECTS)
	PASSED(OBJECT, .content = 0, .object = MEMFD)
	PASSED(OBJECT, .content = 2, .object = MEMFD)
	PASSED(OBJECT, .content = 1, .object = MEMFD, .position = UINT64_MAX)
	header.required_features &= ~(uint64_t)SNAPIMG_FEATURE_PASSED;
	PASSED(OBJECT, .content = 1, .object = MEMFD)
}

static void test_watches(void)
{
	WATCH(OK, .object = EPOLL, .number = 3)
	WATCH(OBJECT, .object = EPOLL, .number = 4)
	WATCH(OBJECT, .object = PIPE, .number = 3)
	WATCH(OBJECT, .object = OBJECTS, .number = 3)
	WATCH(OK, .object = EPOLL, .number = 4, .source = 3 + 1)
	WATCH(OBJECT, .object = EPOLL, .number = 3, .source = 4 + 1)
	WATCH(OBJECT, .object = EPOLL, .number = -1, .source = 3 + 1)
	WATCH(OBJECT, .object = EPOLL, .number = SNAPIMG_DESCRIPTOR_MAX, .source = 3 + 1)
	EDGE(OK, .watch = 0, .events = 1)
	EDGE(OBJECT, .watch = 0)
	EDGE(OBJECT, .watch = 1, .events = 1)
	EDGE(OBJECT, .watch = 2, .events = 1)
	EDGE(OBJECT, .watch = 3, .events = 1)
	WATCHED(OK, .object = INOTIFY, .path = 1, .watch = 1)
	WATCHED(OK, .object = INOTIFY, .path = 1, .watch = SNAPIMG_INOTIFY_MAX)
	WATCHED(OBJECT, .object = INOTIFY, .path = 1, .watch = 0)
	WATCHED(OBJECT, .object = INOTIFY, .path = 1, .watch = SNAPIMG_INOTIFY_MAX + 1)
	WATCHED(OBJECT, .object = INOTIFY, .path = 6, .watch = 1)
	WATCHED(STRING, .object = INOTIFY, .path = 100, .watch = 1)
	WATCHED(OBJECT, .object = EPOLL, .path = 1, .watch = 1)
	WATCHED(OBJECT, .object = OBJECTS, .path = 1, .watch = 1)
}

static void test_owners_and_locks(void)
{
	OWNER(OK, .number = 3, .kind = SNAPIMG_OWNER_THREAD, .signal = 64, .drives = 1)
	OWNER(DESCRIPTOR, .number = 4, .kind = SNAPIMG_OWNER_PROCESS)
	OWNER(DESCRIPTOR, .number = 3, .kind = 3)
	OWNER(DESCRIPTOR, .number = 3, .signal = 65)
	OWNER(DESCRIPTOR, .number = 3, .drives = 2)
	header.required_features = SNAPIMG_FEATURE_OBJECTS;
	OWNER(DESCRIPTOR, .number = 3, .kind = SNAPIMG_OWNER_PROCESS)
	LOCK(OK, .number = 3, .kind = SNAPIMG_LOCK_OFD, .exclusive = 1, .start = 5)
	LOCK(DESCRIPTOR, .number = 4, .kind = SNAPIMG_LOCK_OFD)
	LOCK(DESCRIPTOR, .number = 3, .kind = 0)
	LOCK(OK, .number = 3, .kind = SNAPIMG_LOCK_LEASE)
	LOCK(DESCRIPTOR, .number = 3, .kind = SNAPIMG_LOCK_LEASE, .exclusive = 1)
	LOCK(DESCRIPTOR, .number = 3, .kind = 5)
	LOCK(DESCRIPTOR, .number = 3, .kind = SNAPIMG_LOCK_FLOCK, .exclusive = 2)
	LOCK(DESCRIPTOR, .number = 3, .kind = SNAPIMG_LOCK_POSIX, .start = 1, .length = INT64_MAX)
	LOCK(DESCRIPTOR, .number = 3, .kind = SNAPIMG_LOCK_POSIX, .reserved_zero = 1)
}

int main(void)
{
	test_pipes_and_events();
	test_queues_and_rings();
	test_sockets();
	test_fifos_and_terminals();
	test_without_the_feature();
	test_settings();
	test_contents();
	test_watches();
	test_owners_and_locks();
	return check_result();
}
