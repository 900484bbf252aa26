/* epoll sets: fdinfo lists what they watch. */
#include <errno.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"
#include "tracer/ptrace/memory.h"

/* Where kcmp(2) is denied the target itself asks: what the set knows by that number it can't take again. */
static enum status ask_set(const struct remote *remote, int set, int watched, bool *ret_same)
{
	const uint64_t event = remote->scratch;
	const struct epoll_event nothing = {0};
	enum status status;
	int64_t result;

	*ret_same = false;
	if (tracee_write(remote->tid, event, &nothing, sizeof(nothing)) < 0)
		return fail(STATUS_FAILED, "can't write the program's memory: process %d: %s", remote->tid,
		            strerror(errno));
	if ((status = remote_call(remote, &result, SYS_epoll_ctl, (uint64_t)set, EPOLL_CTL_ADD,
	                          (uint64_t)watched, event)) != STATUS_OK)
		return status;
	*ret_same = result == -EEXIST;
	if (result != 0)
		return STATUS_OK;
	return remote_call(remote, &result, SYS_epoll_ctl, (uint64_t)set, EPOLL_CTL_DEL, (uint64_t)watched,
	                   event);
}

/* Whether number `watched` is still the file that the set knows by it. */
static enum status is_same(const struct taking *taking, const struct open_descriptor *set, int watched,
                           bool *ret_same)
{
	pid_t pid = taking->pid;
	struct kcmp_epoll_slot slot = {.efd = (uint32_t)set->number, .tfd = (uint32_t)watched};

	*ret_same = false;
	if (!survey_find(taking->survey, set->process, watched))
		return STATUS_OK;
	long order = syscall(SYS_kcmp, pid, pid, KCMP_EPOLL_TFD, watched, &slot);
	if (order < 0 && errno != ENOENT && errno != EBADF)
		return ask_set(taking->remote, set->number, watched, ret_same);
	*ret_same = order == 0;
	return STATUS_OK;
}

static int by_number(const void *left, const void *right)
{
	const struct snapimg_watch *a = left, *b = right;

	return (a->number > b->number) - (a->number < b->number);
}

static enum status add_all(struct taking *taking, struct open_descriptor *it, struct snapimg_watch *watch,
                           size_t count)
{
	enum status status = STATUS_OK;

	qsort(watch, count, sizeof(*watch), by_number);
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		const struct override *override = overrides_find(taking->overrides, watch[i].number);
		if (override &&
		    override->kind != OVERRIDE_INHERIT) /* neither /dev/null nor a file can be watched */
			continue;
		bool twice = i > 0 && watch[i - 1].number == watch[i].number, same = false;
		if (!twice && (status = is_same(taking, it, watch[i].number, &same)) != STATUS_OK)
			return status;
		if (!same)
			return refuse_descriptor(
			        taking->survey, it,
			        "an epoll set that watches a closed or replaced descriptor",
			        "take it out of the set (EPOLL_CTL_DEL) before it is closed");
		status = objects_watch(taking->objects, watch[i]);
	}
	return status;
}

enum status take_epoll(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	struct snapimg_watch *watch = NULL;
	size_t count = 0, lines = 1;
	enum status status;

	object->flags = 0;
	for (const char *at = it->info.bytes; (at = strchr(at, '\n')); at++)
		lines++;
	if (!(watch = calloc(lines, sizeof(*watch))))
		return fail(STATUS_FAILED, "out of memory");
	for (const char *line = it->info.bytes; line && *line; line = strchr(line, '\n')) {
		struct snapimg_watch *next = &watch[count];
		line += *line == '\n';
		if (sscanf(line, "tfd: %" SCNd32 " events: %" SCNx32 " data: %" SCNx64, &next->number,
		           &next->events, &next->data) == 3)
			count++;
	}
	status = add_all(taking, it, watch, count);
	free(watch);
	return status;
}
