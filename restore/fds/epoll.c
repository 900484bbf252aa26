/*
 * An epoll set watches descriptors by their numbers, so it is filled when all
 * that it watches are there: before the commit point, or right after it where
 * the caller had one of the numbers.
 */
#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"
#include "restore/fds/table.h"

/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long epoll_make(uint32_t index, int32_t *ret_other)
{
	(void)index;
	(void)ret_other;
	return sys(__NR_epoll_create1, O_CLOEXEC);
}

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

/* The number that it was watched by is another's now, or nobody's: what leads to it stands there for a
 * moment. */
static void watch_at_old_number(int set, const struct snapimg_watch *watch)
{
	long flags = sys(__NR_fcntl, watch->number, F_GETFD);
	long saved = flags < 0 ? flags : descriptor_copy_away(watch->number);
	long result =
	        flags >= 0 && saved < 0 ? saved : sys(__NR_dup3, watch->source - 1, watch->number, O_CLOEXEC);
	if (result < 0)
		object_die(watch->object, "fill", result);
	watch_one(set, watch);
	if (flags < 0) {
		sys(__NR_close, watch->number);
		return;
	}
	sys(__NR_dup3, saved, watch->number, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
	sys(__NR_close, saved);
}

bool epoll_has_old_numbers(void)
{
	const struct snapimg_watch *watch = snapimg_get_watch(&loader.image);
	for (uint32_t i = 0; i < snapimg_watch_count(&loader.image); i++)
		if (watch[i].source != 0)
			return true;
	return false;
}

static bool is_in_place(const struct snapimg_watch *watch)
{
	return watch->source == 0 && descriptor_in_place(watch->number) &&
	       overrides_find(watch->number) == NULL;
}

static void watch_if_there(int set, const struct snapimg_watch *watch)
{
	if (overrides_take(watch->source == 0 ? watch->number : (int32_t)watch->source - 1))
		return;
	if (watch->source == 0)
		watch_one(set, watch);
	else
		watch_at_old_number(set, watch);
}

/* Sleeping entries first: then no other's event can be taken for theirs. */
static void watch_all(int set, const struct snapimg_watch *first, const struct snapimg_watch *end)
{
	for (int asleep = 1; asleep >= 0; asleep--)
		for (const struct snapimg_watch *watch = first; watch < end; watch++)
			if (is_asleep(watch) == (asleep == 1))
				watch_if_there(set, watch);
}

/* Records are sorted by set. */
void epoll_watch(bool in_place)
{
	const struct snapimg_watch *first = snapimg_get_watch(&loader.image), *end;
	const struct snapimg_watch *last = first + snapimg_watch_count(&loader.image);
	for (; first < last; first = end) {
		bool all_in_place = true;
		for (end = first; end < last && end->object == first->object; end++)
			all_in_place = all_in_place && is_in_place(end);
		if (all_in_place == in_place)
			watch_all(objects_descriptor(first->object), first, end);
	}
}
