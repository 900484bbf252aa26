/* Which of the target's descriptors are one open file description, and who else has one of them. kcmp(2) puts
 * all open descriptions into an order, so that both are found by sorting; where it is denied, as containers
 * do, a status flag that means nothing is changed through the one and looked for in the other. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/capture/fds/survey.h"
#include "tracer/description.h"

static struct {
	bool compares; /* kcmp(2) works */
} state;               /* qsort(3) has no place for it */

static int by_number(const struct open_descriptor *a, const struct open_descriptor *b)
{
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static int by_description(const void *left, const void *right)
{
	const struct open_descriptor *a = *(struct open_descriptor *const *)left,
	                             *b = *(struct open_descriptor *const *)right;
	int order = strcmp(a->link, b->link);

	if (order == 0 && state.compares) {
		order = description_compare(a->pid, a->number, b->pid, b->number);
		order = order == 1 ? -1 : order == 2;
	} else if (order == 0) {
		order = (a->first > b->first) - (a->first < b->first);
	}
	return order != 0 ? order : by_number(a, b);
}

/* Whether they can be one at all. */
static bool is_alike(const struct open_descriptor *left, const struct open_descriptor *right)
{
	const uint32_t own = O_CLOEXEC;

	return left->known && right->known && left->identity.st_dev == right->identity.st_dev &&
	       left->identity.st_ino == right->identity.st_ino &&
	       ((left->flags ^ right->flags) & ~own) == 0 && left->position == right->position;
}

/* For each bit of a number in turn, all set the flag to that bit of their own number; what is then read of
 * each is the number of the last one of the same description. False: it can't be done to one of them. */
static bool spell(const struct survey *survey, struct open_descriptor **it, size_t count, size_t *ret_last)
{
	int spare, *flags = calloc(count, sizeof(*flags));
	size_t ready = 0;
	bool done = flags != NULL;

	while (done && ready < count && survey_try_copy(survey, it[ready]) &&
	       (flags[ready] = fcntl(it[ready]->copy, F_GETFL)) >= 0)
		ready++;
	done = done && ready == count;
	spare = done ? description_spare_flag(it[0]->copy) : 0;
	for (size_t bit = 1; done && bit < count * 2; bit *= 2) {
		for (size_t i = 0; i < count && done; i++)
			done = fcntl(it[i]->copy, F_SETFL,
			             (flags[i] & ~spare) | ((i & bit) != 0 ? spare : 0)) == 0;
		for (size_t i = 0; i < count && done; i++)
			ret_last[i] |= (fcntl(it[i]->copy, F_GETFL) & spare) != 0 ? bit : 0;
	}
	for (size_t i = 0; i < ready; i++)
		(void)fcntl(it[i]->copy, F_SETFL, flags[i]);
	free(flags);
	return done;
}

/* Names one description's descriptors by the first of them. Where no flag can be changed (O_PATH
 * has none), alike is the same: two such can't be told apart by the program either. */
static enum status name_group(const struct survey *survey, struct open_descriptor **it, size_t count)
{
	size_t *last = calloc(count, sizeof(*last));
	int *lowest = calloc(count, sizeof(*lowest));
	bool done;

	if (last && lowest) {
		done = !(it[0]->flags & O_PATH) && spell(survey, it, count, last);
		for (size_t i = 0; i < count; i++)
			lowest[i] = INT32_MAX;
		for (size_t i = 0; i < count; i++) {
			last[i] = done ? last[i] : 0;
			lowest[last[i]] = it[i]->first < lowest[last[i]] ? it[i]->first : lowest[last[i]];
		}
		for (size_t i = 0; i < count; i++)
			it[i]->first = lowest[last[i]];
	}
	enum status status = last && lowest ? STATUS_OK : fail(STATUS_FAILED, "out of memory");
	free(last);
	free(lowest);
	return status;
}

static int by_look(const void *left, const void *right)
{
	const struct open_descriptor *a = *(struct open_descriptor *const *)left,
	                             *b = *(struct open_descriptor *const *)right;
	int order = strcmp(a->link, b->link);

	if (order == 0 && a->identity.st_ino != b->identity.st_ino)
		order = a->identity.st_ino < b->identity.st_ino ? -1 : 1;
	if (order == 0 && (a->flags | O_CLOEXEC) != (b->flags | O_CLOEXEC))
		order = (a->flags | O_CLOEXEC) < (b->flags | O_CLOEXEC) ? -1 : 1;
	if (order == 0 && a->position != b->position)
		order = a->position < b->position ? -1 : 1;
	return order != 0 ? order : by_number(a, b);
}

static enum status name_by_flags(struct survey *survey)
{
	enum status status = STATUS_OK;

	qsort(survey->by_link, survey->count, sizeof(*survey->by_link), by_look);
	for (size_t i = 0, end; i < survey->count && status == STATUS_OK; i = end) {
		struct open_descriptor **group = &survey->by_link[i];
		for (end = i + 1; end < survey->count &&
		                  strcmp(group[0]->link, survey->by_link[end]->link) == 0 &&
		                  is_alike(group[0], survey->by_link[end]);)
			end++;
		if (end - i > 1)
			status = name_group(survey, group, end - i);
	}
	return status;
}

enum status sharing_sort(struct survey *survey)
{
	enum status status = STATUS_OK;

	free(survey->by_link);
	survey->by_link = calloc(survey->count + 1, sizeof(struct open_descriptor *));
	if (!survey->by_link)
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; i < survey->count; i++) {
		survey->by_link[i] = &survey->open[i];
		survey->open[i].first = (int)i;
	}
	if (!survey->count)
		return STATUS_OK;
	const struct open_descriptor *any = &survey->open[0];
	state.compares = description_compare(any->pid, any->number, any->pid, any->number) == 0;
	if (!state.compares && (status = name_by_flags(survey)) != STATUS_OK)
		return status;
	qsort(survey->by_link, survey->count, sizeof(*survey->by_link), by_description);
	for (size_t i = 1; i < survey->count && state.compares; i++) {
		const struct open_descriptor *before = survey->by_link[i - 1];
		struct open_descriptor *it = survey->by_link[i];
		if (strcmp(before->link, it->link) == 0 &&
		    description_compare(before->pid, before->number, it->pid, it->number) == 0)
			it->first = before->first;
	}
	return STATUS_OK;
}

struct open_descriptor **survey_of_link(const struct survey *survey, const char *link, size_t *ret_count)
{
	size_t low = 0, high = survey->count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(survey->by_link[middle]->link, link) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < survey->count && strcmp(survey->by_link[end]->link, link) == 0;)
		end++;
	*ret_count = end - low;
	return &survey->by_link[low];
}

static bool look_at(pid_t pid, int number, struct stat *ret_file)
{
	return stat(proc_path(pid, "fd/%d", number).text, ret_file) == 0;
}

static bool is_one_file(const struct stat *left, const struct stat *right)
{
	return left->st_dev == right->st_dev && left->st_ino == right->st_ino;
}

bool sharing_is_callers(const struct open_descriptor *it, int number)
{
	struct stat file;

	if (state.compares)
		return description_compare(it->pid, it->number, getpid(), number) == 0;
	if (it->flags & O_PATH) { /* it has no flag to change, and no state */
		return it->known && look_at(getpid(), number, &file) && is_one_file(&it->identity, &file);
	}
	return description_is_copy_of(number, it->pid, it->number);
}

/* Any of the target's descriptors of the description, among those of one link. */
static struct open_descriptor *find_same(const struct survey *survey, struct open_descriptor **it,
                                         size_t count, pid_t pid, int number)
{
	size_t low = 0, high = count;

	while (state.compares && low < high) {
		size_t middle = low + (high - low) / 2;
		int order = description_compare(it[middle]->pid, it[middle]->number, pid, number);
		if (order == 0)
			return it[middle];
		if (order < 0)
			return NULL;
		if (order == 1)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = 0; i < count && !state.compares; i++)
		if (it[i]->holding == HELD_DESCRIPTION && survey_try_copy(survey, it[i]) &&
		    description_is_copy_of(it[i]->copy, pid, number))
			return it[i];
	return NULL;
}

static bool is_surveyed(const struct survey *survey, pid_t pid)
{
	for (size_t i = 0; i < survey->process_count; i++)
		if (survey->process[i].pid == pid)
			return true;
	return false;
}

/* Files in other mount namespaces, or without a name, may have the same link. */
static bool note_holder(void *context, pid_t pid, int number, const char *link)
{
	const struct survey *survey = *(const struct survey **)context;
	size_t count, asked = 0;
	struct open_descriptor **it = survey_of_link(survey, link, &count), *same;
	struct stat file;
	bool is_one = link[0] != '/';

	if (is_surveyed(survey, pid))
		return true;
	for (size_t i = 0; i < count; i++)
		asked += it[i]->holding != HELD_UNNOTICED && it[i]->holder == 0;
	if (asked == 0 || (!is_one && !look_at(pid, number, &file)))
		return true;
	same = find_same(survey, it, count, pid, number);
	for (size_t i = 0; i < count; i++)
		if (it[i]->holding == HELD_FILE        ? is_one || is_one_file(&it[i]->identity, &file)
		    : it[i]->holding == HELD_UNNOTICED ? false
		                                       : same && it[i]->first == same->first)
			it[i]->holder = pid;
	return true;
}

void sharing_look_around(const struct survey *survey)
{
	(void)description_visit_all(0, note_holder, &survey);
}

struct wanted {
	const struct survey *survey;
	const char *link;
	const struct stat *identity;
	pid_t found;
};

static bool find_file(void *context, pid_t pid, int number, const char *link)
{
	struct wanted *wanted = context;

	struct stat file;

	if (!is_surveyed(wanted->survey, pid) && strcmp(link, wanted->link) == 0 &&
	    look_at(pid, number, &file) && is_one_file(wanted->identity, &file))
		wanted->found = pid;
	return wanted->found == 0;
}

pid_t sharing_file_holder(const struct survey *survey, const char *link, const struct stat *identity)
{
	struct wanted wanted = {.survey = survey, .link = link, .identity = identity};

	(void)description_visit_all(0, find_file, &wanted);
	return wanted.found;
}
