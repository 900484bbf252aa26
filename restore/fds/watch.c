/* What can be done only when every descriptor is at its number: epoll sets are filled, locks taken. */
#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"

/* After an event, EPOLLONESHOT leaves only such bits (fs/eventpoll.c, EP_PRIVATE_BITS). epoll_ctl(2) would
 * watch for errors again; an event that is taken at once puts the entry to sleep as it was. */
static bool is_asleep(const struct snapimg_watch *watch)
{
	return (watch->events & EPOLLONESHOT) != 0 && (watch->events & 0x0fffffffu & ~EPOLLERR) == 0;
}

static void watch_one(int set, const struct snapimg_watch *watch)
{
	struct epoll_event event = {.events = watch->events, .data = watch->data}, taken;
	if (is_asleep(watch))
		event.events |= EPOLLIN | EPOLLOUT;
	long result = sys(__NR_epoll_ctl, set, EPOLL_CTL_ADD, watch->number, &event);
	if (result == -EPERM) {
		warn("descriptor ", dec((uint64_t)watch->number),
		     ": is a file now, which an epoll set cannot watch: it is left out");
		return;
	}
	if (result == -EBADF) /* it is the caller's now, who has none: as if it was closed */
		return;
	if (result < 0)
		object_die(watch->object, "fill", result);
	if (!is_asleep(watch))
		return;
	if (sys(__NR_epoll_wait, set, &taken, 1, 0) == 1)
		return;
	event.events = watch->events;
	sys(__NR_epoll_ctl, set, EPOLL_CTL_MOD, watch->number, &event);
}

/* Sleeping entries first: then no other's event can be taken for theirs. */
void objects_watch(void)
{
	const struct snapimg_watch *watch = snapimg_get_watch(&loader.image);
	for (int asleep = 1; asleep >= 0; asleep--)
		for (uint32_t i = 0; i < snapimg_watch_count(&loader.image); i++)
			if (is_asleep(&watch[i]) == (asleep == 1) && !overrides_take(watch[i].number))
				watch_one(objects_descriptor(watch[i].object), &watch[i]);
}

void objects_lock(void)
{
	const struct snapimg_lock *lock = snapimg_get_lock(&loader.image);
	for (uint32_t i = 0; i < snapimg_lock_count(&loader.image); i++) {
		struct {
			int16_t type, whence;
			int64_t start, length;
			int32_t pid;
		} record = {.type = lock[i].exclusive ? F_WRLCK : F_RDLCK,
		            .start = (int64_t)lock[i].start,
		            .length = (int64_t)lock[i].length};
		long result;
		if (overrides_find(lock[i].number) != NULL)
			continue;
		if (lock[i].kind == SNAPIMG_LOCK_FLOCK)
			result = sys(__NR_flock, lock[i].number,
			             LOCK_NB | (lock[i].exclusive ? LOCK_EX : LOCK_SH));
		else
			result = sys(__NR_fcntl, lock[i].number,
			             lock[i].kind == SNAPIMG_LOCK_OFD ? F_OFD_SETLK : F_SETLK, &record);
		if (result < 0)
			die(EXIT_REFUSED, "descriptor ", dec((uint64_t)lock[i].number),
			    ": cannot take its file lock again: ", error_text(result),
			    ": another process may hold it");
	}
}
