/*
 * Objects in the order of their records; then what is in them; at the end,
 * with every descriptor at its number, epoll sets and locks.
 */
#include "restore/fds/objects.h"

#include <asm/errno.h>
#include <asm/termbits.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/notices.h"
#include "restore/fds/overrides.h"

enum { NONE = -1, NANOSECONDS = 1000000000, O_TMPFILE_FLAGS = O_DIRECTORY | 020000000 };
#define TFD_IOC_SET_TICKS 0x40085400ull /* linux/timerfd.h: _IOW('T', 0, __u64) */

static struct {
	int32_t *made;  /* by object */
	int32_t *other; /* by object: the other end of it, until that is an object's own or closed */
	uint64_t above;
} state;

static const char *kind_name(uint32_t kind)
{
	switch (kind) {
#define X(name, number, text)                                                                                \
	case number:                                                                                         \
		return text;
		SNAPIMG_OBJECT_KINDS(X)
#undef X
	default:
		return "?";
	}
}

_Noreturn void object_die(uint32_t index, const char *what, long result)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const char *name = snapimg_string(&loader.image, object->name);
	die(EXIT_REFUSED, *name != '\0' ? name : "an open descriptor", ": cannot ", what, " the ",
	    kind_name(object->kind), " of the image: ", error_text(result));
}

/* pipe2(2), eventfd2(2) and the others take access modes from nowhere. */
static uint64_t status_flags(const struct snapimg_object *object)
{
	return object->flags & (uint32_t)(O_NONBLOCK | O_DIRECT);
}

static long make_pipe(const struct snapimg_object *object, int32_t *ret_other)
{
	int32_t ends[2] = {-1, -1};
	long result = sys(__NR_pipe2, ends, O_CLOEXEC);
	if (result < 0)
		return result;
	uint64_t size = object->value[SNAPIMG_PIPE_SIZE];
	result = sys(__NR_fcntl, ends[0], F_SETPIPE_SZ, size);
	if (result < 0)
		return result;
	bool writes = (object->flags & O_ACCMODE) == O_WRONLY;
	*ret_other = ends[!writes];
	return ends[writes];
}

/* By a helper that both reads and writes, neither end waits for the other to be opened, or fails for want of
 * it; but its reader knows then that there was a writer. */
static long make_fifo(const struct snapimg_object *object, int32_t *ret_other)
{
	const char *path = snapimg_string(&loader.image, object->name);
	uint32_t mode = object->flags & O_ACCMODE;
	if (object->value[SNAPIMG_FIFO_FRESH] == 0) {
		long helper = sys(__NR_openat, AT_FDCWD, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (helper < 0)
			return helper;
		*ret_other = (int32_t)helper;
	}
	long made = sys(__NR_openat, AT_FDCWD, path, mode | O_NONBLOCK | O_CLOEXEC);
	long size = made < 0 ? made : sys(__NR_fcntl, made, F_GETPIPE_SZ, 0);
	if (size >= 0 && (uint64_t)size != object->value[SNAPIMG_FIFO_SIZE])
		size = sys(__NR_fcntl, made, F_SETPIPE_SZ, object->value[SNAPIMG_FIFO_SIZE]);
	return size < 0 ? size : made;
}

static long make_eventfd(const struct snapimg_object *object)
{
	uint64_t count = object->value[SNAPIMG_EVENTFD_COUNT];
	long made = sys(__NR_eventfd2, 0, status_flags(object) | object->value[SNAPIMG_EVENTFD_SEMAPHORE]);
	if (made < 0 || count == 0)
		return made;
	long result = sys(__NR_write, made, &count, sizeof count);
	return result < 0 ? result : made;
}

static long make_timerfd(const struct snapimg_object *object)
{
	const uint64_t *value = object->value;
	const uint64_t interval = value[SNAPIMG_TIMERFD_INTERVAL], first = value[SNAPIMG_TIMERFD_VALUE];
	const uint64_t timer[4] = {interval / NANOSECONDS, interval % NANOSECONDS, first / NANOSECONDS,
	                           first % NANOSECONDS};
	uint64_t ticks = value[SNAPIMG_TIMERFD_TICKS];
	long made = sys(__NR_timerfd_create, value[SNAPIMG_TIMERFD_CLOCK], status_flags(object));
	if (made < 0)
		return made;
	long result = sys(__NR_timerfd_settime, made, value[SNAPIMG_TIMERFD_FLAGS], timer, 0);
	if (result == 0 && ticks != 0)
		result = sys(__NR_ioctl, made, TFD_IOC_SET_TICKS, &ticks);
	return result < 0 ? result : made;
}

/* O_RDWR, as its content has to be written; opened anew as it was, if that was another way. */
static long make_memfd(const struct snapimg_object *object)
{
	const char *name = snapimg_string(&loader.image, object->name);
	long made = sys(__NR_memfd_create, name, MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (made >= 0)
		sys(__NR_fchmod, made, object->value[SNAPIMG_FILE_MODE]);
	return made;
}

static long make_unlinked(const struct snapimg_object *object)
{
	const char *const places[] = {snapimg_string(&loader.image, object->name), "/tmp", "/var/tmp"};
	long made = -ENOENT;
	for (unsigned i = 0; i < sizeof places / sizeof places[0] && made < 0; i++)
		made = sys(__NR_openat, AT_FDCWD, places[i], O_TMPFILE_FLAGS | O_RDWR | O_CLOEXEC, 0600);
	if (made >= 0)
		sys(__NR_fchmod, made, object->value[SNAPIMG_FILE_MODE]);
	return made;
}

static long reopen(int descriptor, uint32_t flags)
{
	char path[64] = "/proc/self/fd/";
	const char *number = dec((uint64_t)descriptor);
	memcpy(path + strlen(path), number, strlen(number) + 1);
	return sys(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC);
}

static long make(const struct snapimg_object *object, int32_t *ret_other)
{
	const uint64_t *value = object->value;
	switch ((enum snapimg_object_kind)object->kind) {
	case SNAPIMG_OBJECT_PIPE:
		return make_pipe(object, ret_other);
	case SNAPIMG_OBJECT_EVENTFD:
		return make_eventfd(object);
	case SNAPIMG_OBJECT_EPOLL:
		return sys(__NR_epoll_create1, 0);
	case SNAPIMG_OBJECT_TIMERFD:
		return make_timerfd(object);
	case SNAPIMG_OBJECT_SIGNALFD:
		return sys(__NR_signalfd4, -1, &value[SNAPIMG_SIGNALFD_MASK], SIGNAL_SET_SIZE,
		           status_flags(object));
	case SNAPIMG_OBJECT_MEMFD:
		return make_memfd(object);
	case SNAPIMG_OBJECT_UNLINKED:
		return make_unlinked(object);
	case SNAPIMG_OBJECT_REOPENED:
		return reopen(state.made[object->peer - 1], object->flags);
	case SNAPIMG_OBJECT_INOTIFY:
		return sys(__NR_inotify_init1, O_NONBLOCK | O_CLOEXEC);
	case SNAPIMG_OBJECT_FIFO:
		return make_fifo(object, ret_other);
	case SNAPIMG_OBJECT_TERMINAL:
		return terminal_make(object, object->peer != 0 ? state.made[object->peer - 1] : NONE);
	case SNAPIMG_OBJECT_PIDFD:
		return sys(__NR_pidfd_open, sys(__NR_getpid), object->flags & O_NONBLOCK);
	case SNAPIMG_OBJECT_SOCKET:
		return socket_make(object, ret_other);
	}
	return -ENOSYS;
}

/* Out of the way of the numbers that the program's descriptors have. */
static int32_t move_away(uint32_t index, long descriptor)
{
	if (descriptor < 0)
		object_die(index, "make", descriptor);
	long moved = sys(__NR_fcntl, descriptor, F_DUPFD_CLOEXEC, state.above);
	if (moved < 0)
		object_die(index, "keep", moved);
	sys(__NR_close, descriptor);
	return (int32_t)moved;
}

static void make_at(uint32_t index)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	bool is_end = object->peer != 0 &&
	              (object->kind == SNAPIMG_OBJECT_PIPE || object->kind == SNAPIMG_OBJECT_SOCKET);
	int32_t other = NONE;
	if (state.made[index] != NONE)
		return; /* before all others */
	if (object->kind == SNAPIMG_OBJECT_FIFO && !overrides_leave_object(index))
		return; /* it may not be there */
	if (is_end) {
		state.made[index] = state.other[object->peer - 1];
		state.other[object->peer - 1] = NONE;
	} else {
		state.made[index] = move_away(index, make(object, &other));
		if (other >= 0)
			state.other[index] = move_away(index, other);
	}
}

/* Where the bytes go in that come out at an object. */
static int other_end(uint32_t index)
{
	const struct snapimg_object *object = snapimg_get_object(&loader.image);
	if (state.other[index] != NONE)
		return state.other[index];
	if (object[index].peer != 0)
		return state.made[object[index].peer - 1];
	for (uint32_t i = index + 1; i < snapimg_object_count(&loader.image); i++)
		if (object[i].peer == index + 1)
			return state.made[i];
	object_die(index, "fill", -EINVAL);
}

static void fill(const struct snapimg_content *content)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[content->object];
	if (state.made[content->object] == NONE)
		return;
	const uint8_t *bytes = content_bytes(content);
	long result;
	if (object->kind == SNAPIMG_OBJECT_SOCKET) {
		socket_send(content->object, other_end(content->object), bytes, content->size);
		return;
	}
	if (object->kind == SNAPIMG_OBJECT_PIPE || object->kind == SNAPIMG_OBJECT_FIFO)
		result = sys(__NR_write, other_end(content->object), bytes, content->size);
	else
		result = sys(__NR_pwrite64, state.made[content->object], bytes, content->size,
		             content->position);
	if (result != (long)content->size)
		object_die(content->object, "fill", result < 0 ? result : -ENOSPC);
}

static void resize(uint32_t index)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	if (object->kind != SNAPIMG_OBJECT_MEMFD && object->kind != SNAPIMG_OBJECT_UNLINKED)
		return;
	long result = sys(__NR_ftruncate, state.made[index], object->value[SNAPIMG_FILE_SIZE]);
	if (result < 0)
		object_die(index, "resize", result);
}

static void fill_all(void)
{
	const struct snapimg_content *content = snapimg_get_content(&loader.image);
	for (uint32_t i = 0; i < snapimg_object_count(&loader.image); i++)
		resize(i);
	for (uint32_t i = 0; i < snapimg_content_count(&loader.image); i++)
		fill(&content[i]);
}

static bool has_flags(uint32_t kind)
{
	return kind == SNAPIMG_OBJECT_PIPE || kind == SNAPIMG_OBJECT_SOCKET || kind == SNAPIMG_OBJECT_FIFO ||
	       kind == SNAPIMG_OBJECT_INOTIFY || kind == SNAPIMG_OBJECT_TERMINAL;
}

/* What waits until an object has its content: flags, seals, shutdowns. */
static void complete(uint32_t index)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	bool is_file = object->kind == SNAPIMG_OBJECT_MEMFD || object->kind == SNAPIMG_OBJECT_UNLINKED;
	uint64_t shut = object->value[SNAPIMG_SOCKET_SHUTDOWN];
	if (object->kind == SNAPIMG_OBJECT_MEMFD)
		sys(__NR_fcntl, state.made[index], F_ADD_SEALS, object->value[SNAPIMG_FILE_SEALS]);
	if (is_file && (object->flags & O_ACCMODE) != O_RDWR) {
		long again = reopen(state.made[index], object->flags);
		int32_t moved = move_away(index, again);
		sys(__NR_close, state.made[index]);
		state.made[index] = moved;
	}
	if (is_file || has_flags(object->kind))
		sys(__NR_fcntl, state.made[index], F_SETFL,
		    object->flags & (uint32_t)(O_NONBLOCK | O_DIRECT | O_APPEND | O_NOATIME));
	if (object->kind == SNAPIMG_OBJECT_SOCKET && shut != 0)
		sys(__NR_shutdown, state.made[index], shut - 1); /* SHUT_RD 0, SHUT_WR 1, both 2 */
}

void objects_begin(int32_t *room, uint64_t above)
{
	uint32_t count = snapimg_object_count(&loader.image);
	state.made = room;
	state.other = room + count;
	state.above = above;
	for (uint32_t i = 0; i < count; i++)
		state.made[i] = state.other[i] = NONE;
}

void objects_make_file(uint32_t index)
{
	make_at(index);
	resize(index);
}

long objects_reopen(uint32_t index, uint32_t flags)
{
	return reopen(state.made[index], flags);
}

void objects_make(void)
{
	uint32_t count = snapimg_object_count(&loader.image);
	for (uint32_t i = 0; i < count; i++) {
		make_at(i);
		if (!overrides_leave_object(i)) /* so that its address or file may be taken, or missing */
			continue;
		socket_set(i, state.made[i]);
		notices_restore(i, state.made[i]);
	}
	fill_all();
	for (uint32_t i = 0; i < count; i++)
		if (state.made[i] != NONE)
			complete(i);
}

int objects_descriptor(uint32_t index)
{
	return state.made[index];
}

void objects_leave(void)
{
	objects_watch();
	objects_lock();
	for (uint32_t i = 0; i < snapimg_object_count(&loader.image); i++) {
		if (state.made[i] != NONE)
			sys(__NR_close, state.made[i]);
		if (state.other[i] != NONE)
			sys(__NR_close, state.other[i]);
	}
}
