/*
 * Objects in the order of their records; then what is done with them, what is
 * in them, and what waits for that.
 */
#include "restore/fds/objects.h"

#include <asm/errno.h>
#include <assert.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/proc.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/tree.h"
#include "restore/fds/kinds.h"
#include "restore/fds/overrides.h"
#include "restore/fds/table.h"

enum { NONE = -1 };

static const struct object_kind kinds[] = {
        [SNAPIMG_OBJECT_PIPE] = {.make = pipe_make,
                                 .fill = pipe_fill,
                                 .complete = object_complete_flags,
                                 .is_paired = true},
        [SNAPIMG_OBJECT_EVENTFD] = {.make = eventfd_make, .complete = object_add_flags},
        [SNAPIMG_OBJECT_EPOLL] = {.make = epoll_make, .complete = object_add_flags},
        [SNAPIMG_OBJECT_TIMERFD] = {.make = timerfd_make, .complete = object_add_flags},
        [SNAPIMG_OBJECT_SIGNALFD] = {.make = signalfd_make, .complete = object_add_flags},
        [SNAPIMG_OBJECT_INOTIFY] = {.make = inotify_make, .complete = object_complete_flags},
        [SNAPIMG_OBJECT_MEMFD] = {.make = memfd_make, .fill = unlinked_fill, .complete = memfd_complete},
        [SNAPIMG_OBJECT_UNLINKED] = {.make = unlinked_make,
                                     .fill = unlinked_fill,
                                     .complete = unlinked_complete},
        [SNAPIMG_OBJECT_REOPENED] = {.make = reopened_make, .complete = reopened_complete},
        [SNAPIMG_OBJECT_FIFO] = {.make = fifo_make,
                                 .fill = pipe_fill,
                                 .complete = object_complete_flags,
                                 .may_be_missing = true},
        [SNAPIMG_OBJECT_SOCKET] = {.make = socket_make,
                                   .fill = socket_fill,
                                   .complete = socket_complete,
                                   .is_paired = true,
                                   .is_last = true},
        [SNAPIMG_OBJECT_PIDFD] = {.make = pidfd_make, .complete = object_add_flags},
        [SNAPIMG_OBJECT_TERMINAL] = {.make = terminal_make,
                                     .fill = terminal_fill,
                                     .complete = terminal_complete},
        [SNAPIMG_OBJECT_CALLERS] = {.make = callers_make},
        [SNAPIMG_OBJECT_ENDED] = {.make = pidfd_make_ended},
        [SNAPIMG_OBJECT_TREE] = {.make = tree_make},
        [SNAPIMG_OBJECT_FILE] = {.make = opened_make},
        [SNAPIMG_OBJECT_MQUEUE] = {.make = mqueue_make, .fill = mqueue_fill, .complete = mqueue_complete},
        [SNAPIMG_OBJECT_AIO] = {.make = aio_make, .fill = aio_fill},
        [SNAPIMG_OBJECT_REMOVED] = {.make = removed_make, .complete = removed_complete},
        [SNAPIMG_OBJECT_URING] = {.make = uring_make, .fill = uring_fill},
};

#define X(name, number, text) static_assert((number) < sizeof kinds / sizeof kinds[0], "a row for each kind");
SNAPIMG_OBJECT_KINDS(X)
#undef X

static struct {
	int32_t *made;  /* by object */
	int32_t *other; /* by object: the other end of it, until that is an object's own or closed */
	bool is_done;
} state;

/* Where a descriptor is opened again, and who starts it may mount none. */
static const char *advice_for(long result)
{
	if (result == -EMFILE)
		return ": raise ulimit -Hn";
	return result == -ENOENT && sys(__NR_faccessat, AT_FDCWD, "/proc/self", 0) < 0 ? ": mount /proc" : "";
}

_Noreturn void object_die(uint32_t index, const char *what, long result)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const char *name = snapimg_string(&loader.image, object->name);
	die(EXIT_REFUSED, *name != '\0' ? name : "an open descriptor", ": cannot ", what, " the ",
	    snapimg_object_name(object->kind), " of the image: ", error_text(result), advice_for(result));
}

int objects_descriptor(uint32_t index)
{
	return state.made[index];
}

int objects_other_end(uint32_t index)
{
	const struct snapimg_object *object = snapimg_get_object(&loader.image);
	if (state.other[index] != NONE)
		return state.other[index];
	if (object[index].peer != 0)
		return state.made[object[index].peer - 1];
	for (uint32_t i = index + 1; i < snapimg_object_count(&loader.image); i++)
		if (object[i].peer == index + 1 && object[i].kind == object[index].kind)
			return state.made[i];
	object_die(index, "fill", -EINVAL);
}

long objects_reopen(int descriptor, uint32_t flags)
{
	char path[64] = "/proc/self/fd/";
	const char *number = dec((uint64_t)descriptor);
	memcpy(path + strlen(path), number, strlen(number) + 1);
	return proc_open(path, flags);
}

long object_complete_flags(uint32_t index, int descriptor)
{
	const uint32_t settable = O_NONBLOCK | O_DIRECT | O_APPEND | O_NOATIME;
	sys(__NR_fcntl, descriptor, F_SETFL, snapimg_get_object(&loader.image)[index].flags & settable);
	return descriptor;
}

long object_add_flags(uint32_t index, int descriptor)
{
	const uint32_t added = O_NONBLOCK | O_APPEND;
	return (snapimg_get_object(&loader.image)[index].flags & added) == 0
	               ? descriptor
	               : object_complete_flags(index, descriptor);
}

long object_wait(int descriptor, int16_t events)
{
	static const struct {
		int64_t seconds, nanoseconds;
	} patience = {10, 0};
	struct {
		int32_t descriptor;
		int16_t events, found;
	} look = {descriptor, events, 0};
	long result = sys(__NR_ppoll, &look, 1, &patience, 0, 0);
	return result == 0 ? -ETIMEDOUT : result;
}

static int32_t keep(uint32_t index, const char *what, long descriptor)
{
	long moved = descriptor < 0 ? descriptor : descriptor_away(descriptor);
	if (moved < 0)
		object_die(index, what, moved);
	return (int32_t)moved;
}

static void make(uint32_t index)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const struct object_kind *kind = &kinds[object->kind];
	int32_t other = NONE;
	if (state.made[index] != NONE)
		return; /* before all others */
	if (kind->may_be_missing && !overrides_leave_object(index))
		return;
	if (kind->is_paired && object->peer != 0) {
		state.made[index] = state.other[object->peer - 1];
		state.other[object->peer - 1] = NONE;
		return;
	}
	state.made[index] = keep(index, "make", kind->make(index, &other));
	if (other >= 0)
		state.other[index] = keep(index, "make", other);
}

static void fill(const struct snapimg_content *content)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[content->object];
	if (state.made[content->object] == NONE)
		return;
	long result = kinds[object->kind].fill(content, content_bytes(content));
	if (result < 0)
		object_die(content->object, "fill", result);
}

static void complete(uint32_t index)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	if (state.made[index] == NONE || kinds[object->kind].complete == NULL)
		return;
	long result = kinds[object->kind].complete(index, state.made[index]);
	if (result < 0)
		object_die(index, "complete", result);
	state.made[index] = (int32_t)result;
}

static bool is_last(uint32_t index)
{
	return kinds[snapimg_get_object(&loader.image)[index].kind].is_last;
}

static void fill_and_complete(bool last)
{
	const struct snapimg_content *content = snapimg_get_content(&loader.image);
	for (uint32_t i = 0; i < snapimg_content_count(&loader.image); i++)
		if (is_last(content[i].object) == last)
			fill(&content[i]);
	for (uint32_t i = 0; i < snapimg_object_count(&loader.image); i++)
		if (is_last(i) == last)
			complete(i);
}

void objects_begin(int32_t *room)
{
	uint32_t count = snapimg_object_count(&loader.image);
	state.is_done = false;
	state.made = room;
	state.other = room + count;
	for (uint32_t i = 0; i < count; i++)
		state.made[i] = state.other[i] = NONE;
}

void objects_make_file(uint32_t index)
{
	make(index);
	unlinked_resize(index);
}

/* Of a process that may not be there yet. */
static bool needs_process(uint32_t index)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	return object->kind == SNAPIMG_OBJECT_PIDFD && object->value[SNAPIMG_PIDFD_PID] != 0;
}

/* The first process of a tree comes here twice: before it makes the others, and when they are there. */
void objects_make(void)
{
	uint32_t count = snapimg_object_count(&loader.image);
	for (uint32_t i = 0; i < count && tree_is_born(); i++)
		if (needs_process(i))
			make(i);
	if (state.is_done)
		return;
	state.is_done = true;
	for (uint32_t i = 0; i < count; i++)
		if (!needs_process(i))
			make(i);
	if (snapimg_setting_count(&loader.image) > 0)
		objects_set();
	for (uint32_t i = 0; i < count; i++)
		unlinked_resize(i);
	fill_and_complete(false);
	fill_and_complete(true);
	objects_settle();
}

void objects_copy_numbers(int32_t *to)
{
	uint32_t count = snapimg_object_count(&loader.image);
	memcpy(to, state.made, count * sizeof *to);
	memcpy(to + count, state.other, count * sizeof *to);
}

void objects_leave(void)
{
	for (uint32_t i = 0; i < snapimg_object_count(&loader.image); i++) {
		if (state.made[i] != NONE)
			sys(__NR_close, state.made[i]);
		if (state.other[i] != NONE)
			sys(__NR_close, state.other[i]);
		state.made[i] = state.other[i] = NONE;
	}
}
