/* epoll sets: fdinfo lists what they watch. */
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"

/* Whether number `watched` is still the file that the set knows by it. */
static bool is_same(const struct survey *survey, const struct open_descriptor *set, int watched)
{
	struct kcmp_epoll_slot slot = {.efd = (uint32_t)set->number, .tfd = (uint32_t)watched};

	return survey_find(survey, watched) &&
	       syscall(SYS_kcmp, survey->pid, survey->pid, KCMP_EPOLL_TFD, watched, &slot) == 0;
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
		bool twice = i > 0 && watch[i - 1].number == watch[i].number;
		if (twice || !is_same(taking->survey, it, watch[i].number))
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
