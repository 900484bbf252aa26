/* epoll sets: fdinfo lists what they watch. */
#include <errno.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"
#include "tracer/capture/fds/passing.h"
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

/* One line of fdinfo. */
struct entry {
	struct snapimg_watch watch;
	uint32_t earlier; /* lines with the same number before it */
	uint32_t ready;   /* of what is watched by edges: the events that are ready and were taken */
};

/* Whether the descriptor is the file that the set knows by the entry's number. False where kcmp(2) is denied.
 */
static bool leads_to(const struct open_descriptor *set, const struct entry *entry, int descriptor,
                     bool *ret_is_denied)
{
	pid_t pid = proc_living(set->pid);
	struct kcmp_epoll_slot slot = {
	        .efd = (uint32_t)set->number, .tfd = (uint32_t)entry->watch.number, .toff = entry->earlier};
	long order = syscall(SYS_kcmp, pid, pid, KCMP_EPOLL_TFD, descriptor, &slot);

	*ret_is_denied = order < 0 && errno != ENOENT && errno != EBADF;
	return order == 0;
}

/* What the set watches is at another number now: the kernel knows it by its old one and by the description.
 */
static bool find_source(const struct survey *survey, const struct open_descriptor *set, struct entry *entry)
{
	bool is_denied = false;

	for (size_t i = 0; i < survey->count && !is_denied; i++) {
		const struct open_descriptor *it = &survey->open[i];
		if (it->process != set->process || it->override ||
		    !leads_to(set, entry, it->number, &is_denied))
			continue;
		entry->watch.source = (uint32_t)it->number + 1;
		return true;
	}
	return false;
}

static enum status check_entry(const struct taking *taking, const struct open_descriptor *set,
                               struct entry *entry, bool *ret_is_found)
{
	int number = entry->watch.number;
	bool is_there = survey_find(taking->survey, set->process, number) != NULL, is_denied = false;

	*ret_is_found = is_there && leads_to(set, entry, number, &is_denied);
	if (*ret_is_found)
		return STATUS_OK;
	if (is_denied && entry->earlier == 0)
		return ask_set(taking->remote, set->number, number, ret_is_found);
	*ret_is_found = find_source(taking->survey, set, entry);
	return STATUS_OK;
}

static int by_number(const void *left, const void *right)
{
	const struct snapimg_watch *a = &((const struct entry *)left)->watch,
	                           *b = &((const struct entry *)right)->watch;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return (a->source > b->source) - (a->source < b->source);
}

/* The next process from survey->open[*at] on that has the set: each of them may know what it watches. */
static struct open_descriptor *next_holder(const struct survey *survey, const struct open_descriptor *set,
                                           size_t *at)
{
	while (*at < survey->count) {
		struct open_descriptor *it = &survey->open[(*at)++];
		if (it->first == set->first && it->duplicate < 0 && !is_on_its_way(survey, it))
			return it;
	}
	return NULL;
}

/* The first process that has both the set and what the entry watches, which fills that in again; NULL: none.
 */
static enum status find_holder(const struct taking *taking, const struct open_descriptor *set,
                               struct entry *entry, const struct open_descriptor **ret_holder)
{
	const struct open_descriptor *holder;
	struct taking asking = *taking;
	enum status status;
	bool is_found = false;
	size_t at = 0;

	*ret_holder = NULL;
	while ((holder = next_holder(taking->survey, set, &at))) {
		asking.remote = taking->survey->process[holder->process].passing->remote;
		if ((status = check_entry(&asking, holder, entry, &is_found)) != STATUS_OK)
			return status;
		if (is_found) {
			*ret_holder = holder;
			return STATUS_OK;
		}
	}
	return STATUS_OK;
}

/* Disarmed by EPOLLONESHOT: it is put to sleep by its first event, which must not be another's. */
static bool is_asleep(const struct entry *entry)
{
	enum { PUBLIC = 0x0fffffff }; /* the others are EP_PRIVATE_BITS of fs/eventpoll.c */
	return entry->watch.events & EPOLLONESHOT && !(entry->watch.events & PUBLIC & ~(uint32_t)EPOLLERR);
}

/* The events that are ready now of what the entry watches by edges. What is the caller's, or another thing in
 * each start, is new there. */
static uint32_t ready_events(const struct survey *survey, size_t process, const struct entry *entry)
{
	const struct snapimg_watch *watch = &entry->watch;
	struct open_descriptor *it =
	        survey_find(survey, process, watch->source ? (int)watch->source - 1 : watch->number);
	struct pollfd look = {.events = (short)(watch->events & INT16_MAX)};

	if ((watch->events & (EPOLLET | EPOLLONESHOT)) != EPOLLET || !it || it->override ||
	    it->inherited >= 0 || !survey_try_copy(survey, it))
		return 0;
	look.fd = it->copy;
	return poll(&look, 1, 0) > 0 && !(look.revents & POLLNVAL) ? (uint32_t)look.revents : 0;
}

/* Leaves those edges in `ready` that the program has taken already. A set with nothing to tell has told all;
 * else it must be asked, which takes what it tells, and nobody is left who would miss it. */
static enum status find_taken(const struct survey *survey, struct open_descriptor *set, size_t process,
                              struct entry *entry, size_t count)
{
	struct epoll_event *told = NULL;
	struct pollfd look = {.events = POLLIN};
	bool any = false;
	int heard = 0;

	for (size_t i = 0; i < count; i++) {
		entry[i].ready = ready_events(survey, process, &entry[i]);
		any = any || entry[i].ready;
	}
	if (!any)
		return STATUS_OK;
	bool is_shown = survey_try_copy(survey, set);
	look.fd = set->copy;
	if (is_shown && poll(&look, 1, 0) == 0)
		return STATUS_OK;
	if (is_shown && survey->may_take) {
		if (!(told = calloc(count, sizeof(*told))))
			return fail(STATUS_FAILED, "out of memory");
		heard = epoll_wait(set->copy, told, (int)count, 0);
	}
	for (size_t i = 0; i < count; i++) {
		bool is_told = !told || heard < 0;
		for (int k = 0; k < heard && !is_told; k++)
			is_told = told[k].data.u64 == entry[i].watch.data;
		entry[i].ready = is_told ? 0 : entry[i].ready;
	}
	free(told);
	return STATUS_OK;
}

/* Adds those that the process fills in. */
static enum status add_all(struct taking *taking, struct open_descriptor *it, size_t process,
                           struct entry *entry, size_t count)
{
	enum status status = STATUS_OK;
	size_t kept = 0, asleep = 0, others = 0;

	for (size_t i = 0; i < count; i++) {
		const struct override *override = overrides_find(taking->overrides, entry[i].watch.number);
		const struct open_descriptor *holder;
		if (override &&
		    override->kind != OVERRIDE_INHERIT) /* neither /dev/null nor a file can be watched */
			continue;
		if ((status = find_holder(taking, it, &entry[i], &holder)) != STATUS_OK)
			return status;
		if (!holder)
			return refuse_descriptor(
			        taking->survey, it,
			        "an epoll set that watches a closed or replaced descriptor",
			        "take it out of the set (EPOLL_CTL_DEL) before it is closed");
		asleep += is_asleep(&entry[i]);
		others += holder->process != process;
		if (holder->process == process)
			entry[kept++] = entry[i];
	}
	if (asleep && kept && others)
		return refuse_descriptor(taking->survey, it,
		                         "a disarmed descriptor (EPOLLONESHOT) in an epoll set of several "
		                         "processes",
		                         "make the set after fork(2)");
	if (kept)
		qsort(entry, kept, sizeof(*entry), by_number);
	if (kept && !it->spans)
		status = find_taken(taking->survey, it, process, entry, kept);
	for (size_t i = 0; i < kept && status == STATUS_OK; i++) {
		status = objects_watch(taking->objects, entry[i].watch);
		if (status == STATUS_OK && entry[i].ready)
			status = objects_edge(taking->objects, entry[i].ready);
	}
	return status;
}

enum status watch_again(struct taking *taking, struct open_descriptor *it, size_t process)
{
	struct entry *entry = NULL;
	size_t count = 0, lines = 1;
	enum status status;

	for (const char *at = it->info.bytes; (at = strchr(at, '\n')); at++)
		lines++;
	if (!(entry = calloc(lines, sizeof(*entry))))
		return fail(STATUS_FAILED, "out of memory");
	for (const char *line = it->info.bytes; line && *line; line = strchr(line, '\n')) {
		struct entry *next = &entry[count];
		line += *line == '\n';
		if (sscanf(line, "tfd: %" SCNd32 " events: %" SCNx32 " data: %" SCNx64, &next->watch.number,
		           &next->watch.events, &next->watch.data) != 3)
			continue;
		for (size_t i = 0; i < count; i++)
			next->earlier += entry[i].watch.number == next->watch.number;
		count++;
	}
	status = add_all(taking, it, process, entry, count);
	free(entry);
	return status;
}

/* Busy polling of the network (EPIOCSPARAMS, Linux 6.9), which is no setting of what it watches. */
static bool polls_busily(const struct open_descriptor *it)
{
	struct {
		uint32_t microseconds;
		uint16_t packets;
		uint8_t prefers, zero;
	} is = {0};

	return ioctl(it->copy, _IOR(0x8a, 0x02, is), &is) == 0 &&
	       (is.microseconds || is.packets || is.prefers);
}

/* One that several have is the first process's, which need not have it itself. */
enum status take_epoll(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	object->flags &= SNAPIMG_STATUS_FLAGS;
	if (polls_busily(it))
		return refuse_descriptor(taking->survey, it, "an epoll set that polls busily (EPIOCSPARAMS)",
		                         "set that after the point");
	return watch_again(taking, it, it->spans ? 0 : it->process);
}
