/* What is on its way through Unix sockets, and need not be open in any process. */
#include <fcntl.h>
#include <string.h>

#include "tracer/capture/fds/kinds.h"

#define RECEIVE "receive it before the point"

bool is_passed(const struct survey *survey, const struct open_descriptor *it)
{
	for (size_t i = survey->count; i > 0 && is_on_its_way(survey, &survey->open[i - 1]); i--)
		if (survey->open[i - 1].first == it->first)
			return true;
	return false;
}

/* What is told of these depends on the process that asks, and only this one could ask. */
static bool needs_process(const struct descriptor_kind *kind)
{
	return kind && (kind->kind == SNAPIMG_OBJECT_EPOLL || kind->kind == SNAPIMG_OBJECT_PIDFD ||
	                kind->kind == SNAPIMG_OBJECT_INOTIFY || kind->kind == SNAPIMG_OBJECT_TERMINAL ||
	                kind->kind == SNAPIMG_OBJECT_URING);
}

/* Locks and owners are told by a number of the program's. */
static bool has_lock_or_owner(const struct open_descriptor *it)
{
	struct f_owner_ex owner = {0};

	if (it->flags & O_PATH)
		return false;
	return strstr(it->info.bytes, "lock:") || (it->flags & O_ASYNC) != 0 ||
	       fcntl(it->copy, F_GETSIG) > 0 || (fcntl(it->copy, F_GETOWN_EX, &owner) == 0 && owner.pid != 0);
}

enum status check_passed(const struct survey *survey, const struct open_descriptor *it)
{
	const struct open_descriptor *taken = &survey->open[it->representative];

	if (it->inherited >= 0 || taken->inherited >= 0)
		return refuse_descriptor(survey, it,
		                         "a descriptor of the caller's on its way through a socket", RECEIVE);
	if (!is_on_its_way(survey, taken))
		return STATUS_OK;
	if (needs_process(find_kind(taken)))
		return refuse_descriptor(
		        survey, it,
		        "an epoll set, pidfd, inotify instance or terminal on its way through a socket",
		        RECEIVE);
	if (has_lock_or_owner(taken))
		return refuse_descriptor(survey, it,
		                         "a descriptor with a lock or an owner on its way through a socket",
		                         RECEIVE);
	return STATUS_OK;
}

void resolve_passed(const struct survey *survey, struct objects *objects)
{
	struct snapimg_passed *passed = objects->passed.items;
	const struct snapimg_object *object = objects->object.items;

	for (size_t i = 0; i < objects->passed.count; i++) {
		const struct open_descriptor *it = &survey->open[passed[i].object];
		int index = survey->open[it->representative].object;
		if (index < 0) /* refused */
			continue;
		passed[i].object = (uint32_t)index;
		if (it->known && S_ISREG(it->identity.st_mode) && object[index].kind != SNAPIMG_OBJECT_FILE)
			passed[i].position = it->position;
	}
}
