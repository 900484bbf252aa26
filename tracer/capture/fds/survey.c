#include "tracer/capture/fds/survey.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/array.h"
#include "tracer/caller.h"
#include "tracer/capture/fds/passing.h"
#include "tracer/capture/refuse.h"
#include "tracer/overrides.h"

static void forget(struct open_descriptor *it)
{
	free(it->link);
	text_free(&it->info);
	if (it->copy >= 0)
		close(it->copy);
}

void survey_free(struct survey *survey)
{
	for (size_t i = 0; i < survey->count; i++)
		forget(&survey->open[i]);
	free(survey->open);
	free(survey->by_link);
	survey_free_queues(survey);
	*survey = (struct survey){0};
}

static int by_number(const void *left, const void *right)
{
	const struct open_descriptor *a = left, *b = right;

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

enum status survey_look_at(struct survey *survey, pid_t pid, size_t process, int number)
{
	struct open_descriptor *it = array_add(survey->open, survey->count); /* freed with the others */
	struct proc_path path = proc_path(pid, "fd/%d", number);
	char link[4096];
	enum status status;

	if (!it)
		return fail(STATUS_FAILED, "out of memory");
	*it = (struct open_descriptor){.pid = pid,
	                               .process = process,
	                               .number = number,
	                               .inherited = -1,
	                               .duplicate = -1,
	                               .carrier = -1,
	                               .object = -1,
	                               .copy = -1};
	if ((status = proc_read(proc_path(pid, "fdinfo/%d", number), &it->info)) != STATUS_OK ||
	    (status = proc_read_link(path, link, sizeof(link))) != STATUS_OK)
		return status;
	it->known = stat(path.text, &it->identity) == 0;
	it->flags = (uint32_t)proc_number(&it->info, "flags", 8);
	it->position = proc_number(&it->info, "pos", 10);
	it->link = strdup(link);
	if (!it->link)
		return fail(STATUS_FAILED, "out of memory");
	return STATUS_OK;
}

static enum status read_directory(struct survey *survey, size_t process)
{
	struct proc_path path = proc_path(survey->process[process].pid, "fd");
	enum status status = STATUS_OK;
	struct dirent *entry;
	DIR *directory = opendir(path.text);

	if (!directory)
		return fail(STATUS_FAILED, "can't read the program's descriptors: %s: %s", path.text,
		            strerror(errno));
	while (status == STATUS_OK && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		status = survey_look_at(survey, survey->process[process].pid, process, atoi(entry->d_name));
	}
	closedir(directory);
	return status;
}

static enum status read_all(struct survey *survey)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < survey->process_count && status == STATUS_OK; i++)
		if (!survey->process[i].shares)
			status = read_directory(survey, i);
	if (status == STATUS_OK && survey->count)
		qsort(survey->open, survey->count, sizeof(*survey->open), by_number);
	return status;
}

/* The caller's descriptor it is, or -1. The same number first, as 1 and 2 are often one open file. */
static int find_inherited(const struct open_descriptor *it)
{
	int found = -1;

	for (size_t i = 0; i < the_caller.descriptor_count; i++) {
		const struct caller_descriptor *of = &the_caller.descriptor[i];
		if ((found < 0 || of->number == it->number) && strcmp(it->link, of->link) == 0 &&
		    sharing_is_callers(it, of->number))
			found = of->number;
	}
	return found;
}

/* Of those that are one description, in order of process and number, the first that is not something else by
 * --fd stands for all; and that of each process for those after it. */
static void name_group(struct survey *survey, size_t start, size_t end)
{
	const struct open_descriptor *all = NULL, *own = NULL;
	bool spans = survey->by_link[start]->process != survey->by_link[end - 1]->process;

	for (size_t i = start; i < end; i++) {
		struct open_descriptor *it = survey->by_link[i];
		it->spans = spans;
		it->representative = (int)((all ? all : it) - survey->open);
		if (it->override)
			continue;
		own = own && own->process == it->process ? own : NULL;
		it->duplicate = it->inherited < 0 && own ? own->number : -1;
		own = own ? own : it;
		all = all ? all : it;
	}
}

static void find_duplicates(struct survey *survey)
{
	for (size_t i = 0, end; i < survey->count; i = end) {
		for (end = i + 1;
		     end < survey->count && survey->by_link[end]->first == survey->by_link[i]->first;)
			end++;
		name_group(survey, i, end);
	}
}

static void find_origins(struct survey *survey, size_t first, const struct overrides *overrides)
{
	for (size_t i = first; i < survey->count; i++) {
		struct open_descriptor *it = &survey->open[i];
		bool is_standard = !is_on_its_way(survey, it) && it->number < 3;
		/* Of a process that ran before, nobody knows what it was given but its standard streams. */
		it->inherited = !the_caller.attached ? find_inherited(it) : is_standard ? it->number : -1;
		it->override = it->process == 0 ? overrides_find(overrides, it->number) : NULL;
	}
}

enum status survey_read(struct survey *survey, const struct overrides *overrides)
{
	enum status status;

	if ((status = read_all(survey)) != STATUS_OK || (status = sharing_sort(survey)) != STATUS_OK)
		return status;
	find_origins(survey, 0, overrides);
	size_t own = survey->count;
	if ((status = survey_accept(survey)) != STATUS_OK)
		return status;
	find_origins(survey, own, overrides);
	for (size_t first = 0, end; first < survey->count && status == STATUS_OK; first = end) {
		end = survey->count;
		if ((status = survey_look_into(survey, first)) == STATUS_OK)
			find_origins(survey, end, overrides);
	}
	if (status == STATUS_OK && survey->count != own)
		status = sharing_sort(survey);
	if (status == STATUS_OK)
		find_duplicates(survey);
	return status;
}

struct open_descriptor *survey_find(const struct survey *survey, size_t process, int number)
{
	const struct open_descriptor wanted = {.process = process, .number = number};

	if (!survey->count)
		return NULL;
	return bsearch(&wanted, survey->open, survey->count, sizeof(*survey->open), by_number);
}

bool survey_try_copy(const struct survey *survey, struct open_descriptor *it)
{
	enum { OF_THREAD = 0200 }; /* PIDFD_THREAD, Linux 6.9 */
	pid_t living = proc_living(it->pid);
	int process =
	        it->copy >= 0 ? -1 : (int)syscall(SYS_pidfd_open, living, living == it->pid ? 0 : OF_THREAD);

	if (process >= 0) {
		it->copy = (int)syscall(SYS_pidfd_getfd, process, it->number, 0);
		int error = errno;
		close(process);
		errno = error;
	}
	if (it->copy < 0 && errno != EMFILE)
		it->copy = passing_copy(survey->process[it->process].passing, it->number);
	return it->copy >= 0;
}

enum status survey_copy(const struct survey *survey, struct open_descriptor *it)
{
	if (survey_try_copy(survey, it))
		return STATUS_OK;
	return fail(STATUS_FAILED, "can't look at descriptor %d of process %d, %s: %s", it->number, it->pid,
	            it->link, strerror(errno));
}

enum status refuse_descriptor(const struct survey *survey, const struct open_descriptor *it, const char *what,
                              const char *advice)
{
	if (is_on_its_way(survey, it)) {
		const struct open_descriptor *carrier = &survey->open[it->carrier];
		while (is_on_its_way(survey, carrier))
			carrier = &survey->open[carrier->carrier];
		return refuse(what, advice, "on its way to descriptor %d of process %d, %s", carrier->number,
		              carrier->pid, it->link);
	}
	return refuse(what, advice, "descriptor %d of process %d, %s", it->number, it->pid, it->link);
}
