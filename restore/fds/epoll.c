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

/* The events that the program has taken from what it watches by edges (EPOLLET), or 0. */
static uint32_t taken_of(const struct snapimg_watch *watch)
{
	const struct snapimg_edge *edge = snapimg_get_edge(&loader.image);
	uint32_t index = (uint32_t)(watch - snapimg_get_watch(&loader.image));
	uint32_t low = 0, count = snapimg_edge_count(&loader.image), high = count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (edge[middle].watch < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && edge[low].watch == index ? edge[low].events : 0;
}

static bool is_quiet(const struct snapimg_watch *watch)
{
	return is_asleep(watch) || taken_of(watch) != 0;
}

/* Takes the edge again. If more is ready here it is told: such an entry comes with those that may tell. */
static void take_edge(int set, const struct snapimg_watch *watch)
{
	struct epoll_event got = {0};
	if (sys(__NR_epoll_wait, set, &got, 1, 0) == 1 && (got.events & ~taken_of(watch)) != 0)
		sys(__NR_epoll_ctl, set, EPOLL_CTL_DEL, watch->number, 0);
}

static void watch_one(int set, const struct snapimg_watch *watch, bool quiet)
{
	struct epoll_event event = {.events = watch->events, .data = watch->data}, taken;
	if (is_asleep(watch))
		event.events |= EPOLLIN | EPOLLOUT;
	long result = sys(__NR_epoll_ctl, set, EPOLL_CTL_ADD, watch->number, &event);
	if (result == -EEXIST && !quiet) /* its edge is taken */
		return;
	if (result == -EPERM) {
		warn("descriptor ", dec((uint64_t)watch->number),
		     ": is a file now, which an epoll set cannot watch: it is left out");
		return;
	}
	if (result == -EBADF) /* it is the caller's now, who has none: as if it was closed */
		return;
	if (result < 0)
		object_die(watch->object, "fill", result);
	if (quiet && !is_asleep(watch))
		take_edge(set, watch);
	if (!is_asleep(watch) || sys(__NR_epoll_wait, set, &taken, 1, 0) == 1)
		return;
	event.events = watch->events;
	sys(__NR_epoll_ctl, set, EPOLL_CTL_MOD, watch->number, &event);
}

/* The number that it was watched by is another's now, or nobody's: what leads to it stands there for a
 * moment. */
static void watch_at_old_number(int set, const struct snapimg_watch *watch, bool quiet)
{
	long flags = sys(__NR_fcntl, watch->number, F_GETFD);
	long saved = flags < 0 ? flags : descriptor_copy_away(watch->number);
	long result =
	        flags >= 0 && saved < 0 ? saved : sys(__NR_dup3, watch->source - 1, watch->number, O_CLOEXEC);
	if (result < 0)
		object_die(watch->object, "fill", result);
	watch_one(set, watch, quiet);
	if (flags < 0) {
		sys(__NR_close, watch->number);
		return;
	}
	sys(__NR_dup3, saved, watch->number, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
	sys(__NR_close, saved);
}

uint64_t epoll_old_numbers_end(void)
{
	const struct snapimg_watch *watch = snapimg_get_watch(&loader.image);
	uint64_t end = 0;
	for (uint32_t i = 0; i < snapimg_watch_count(&loader.image); i++)
		if (watch[i].source != 0 && end <= (uint64_t)watch[i].number)
			end = (uint64_t)watch[i].number + 1;
	return end;
}

static bool is_in_place(const struct snapimg_watch *watch)
{
	return watch->source == 0 && descriptor_in_place(watch->number) &&
	       overrides_find(watch->number) == NULL;
}

static void watch_if_there(int set, const struct snapimg_watch *watch, bool quiet)
{
	if (overrides_take(watch->source == 0 ? watch->number : (int32_t)watch->source - 1))
		return;
	if (watch->source == 0)
		watch_one(set, watch, quiet);
	else
		watch_at_old_number(set, watch, quiet);
}

/* What has nothing to tell first: then no other's event can be taken for its. */
static void watch_all(int set, const struct snapimg_watch *first, const struct snapimg_watch *end)
{
	for (const struct snapimg_watch *watch = first; watch < end; watch++)
		if (is_quiet(watch))
			watch_if_there(set, watch, true);
	for (const struct snapimg_watch *watch = first; watch < end; watch++)
		if (!is_asleep(watch))
			watch_if_there(set, watch, false);
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
