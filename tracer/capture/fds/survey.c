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
	*survey = (struct survey){0};
}

static int by_number(const void *left, const void *right)
{
	const struct open_descriptor *a = left, *b = right;

	return (a->number > b->number) - (a->number < b->number);
}

static enum status look_at(struct survey *survey, int number)
{
	struct open_descriptor *it = array_add(survey->open, survey->count); /* freed with the others */
	struct proc_path path = proc_path(survey->pid, "fd/%d", number);
	char link[4096];
	enum status status;

	if (!it)
		return fail(STATUS_FAILED, "out of memory");
	*it = (struct open_descriptor){.number = number,
	                               .inherited = -1,
	                               .duplicate = -1,
	                               .object = -1,
	                               .copy = -1,
	                               .first = number};
	if ((status = proc_read(proc_path(survey->pid, "fdinfo/%d", number), &it->info)) != STATUS_OK ||
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

static enum status read_directory(struct survey *survey)
{
	struct proc_path path = proc_path(survey->pid, "fd");
	enum status status = STATUS_OK;
	struct dirent *entry;
	DIR *directory = opendir(path.text);

	if (!directory)
		return fail(STATUS_FAILED, "can't read the program's descriptors: %s: %s", path.text,
		            strerror(errno));
	while (status == STATUS_OK && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		status = look_at(survey, atoi(entry->d_name));
	}
	closedir(directory);
	if (status == STATUS_OK && survey->count)
		qsort(survey->open, survey->count, sizeof(*survey->open), by_number);
	return status;
}

/* The caller's descriptor it is, or -1. The same number first, as 1 and 2 are often one open file. */
static int find_inherited(const struct survey *survey, const struct open_descriptor *it)
{
	int found = -1;

	for (size_t i = 0; i < the_caller.descriptor_count; i++) {
		const struct caller_descriptor *of = &the_caller.descriptor[i];
		if ((found < 0 || of->number == it->number) && strcmp(it->link, of->link) == 0 &&
		    sharing_is_callers(survey, it, of->number))
			found = of->number;
	}
	return found;
}

/* Of those that are one description the first is the one that is not something else by --fd. */
static void find_duplicates(struct survey *survey)
{
	for (size_t i = 0, end; i < survey->count; i = end) {
		int original = -1;
		for (end = i; end < survey->count && survey->by_link[end]->first == survey->by_link[i]->first;
		     end++) {
			struct open_descriptor *it = survey->by_link[end];
			if (it->override)
				continue;
			it->duplicate = it->inherited >= 0 ? -1 : original;
			original = original < 0 ? it->number : original;
		}
	}
}

enum status survey_read(struct survey *survey, const struct overrides *overrides)
{
	enum status status;

	if ((status = read_directory(survey)) != STATUS_OK || (status = sharing_sort(survey)) != STATUS_OK)
		return status;
	for (size_t i = 0; i < survey->count; i++) {
		struct open_descriptor *it = &survey->open[i];
		/* Of a process that ran before, nobody knows what it was given but its standard streams. */
		it->inherited = !the_caller.attached ? find_inherited(survey, it)
		                : it->number < 3     ? it->number
		                                     : -1;
		it->override = overrides_find(overrides, it->number);
	}
	find_duplicates(survey);
	return STATUS_OK;
}

struct open_descriptor *survey_find(const struct survey *survey, int number)
{
	const struct open_descriptor wanted = {.number = number};

	if (!survey->count)
		return NULL;
	return bsearch(&wanted, survey->open, survey->count, sizeof(*survey->open), by_number);
}

bool survey_try_copy(const struct survey *survey, struct open_descriptor *it)
{
	int process = it->copy >= 0 ? -1 : (int)syscall(SYS_pidfd_open, survey->pid, 0);

	if (process >= 0) {
		it->copy = (int)syscall(SYS_pidfd_getfd, process, it->number, 0);
		int error = errno;
		close(process);
		errno = error;
	}
	if (it->copy < 0 && errno != EMFILE)
		it->copy = passing_copy(survey->passing, it->number);
	return it->copy >= 0;
}

enum status survey_copy(const struct survey *survey, struct open_descriptor *it)
{
	if (survey_try_copy(survey, it))
		return STATUS_OK;
	return fail(STATUS_FAILED, "can't look at descriptor %d of process %d, %s: %s", it->number,
	            survey->pid, it->link, strerror(errno));
}

enum status refuse_descriptor(const struct survey *survey, const struct open_descriptor *it, const char *what,
                              const char *advice)
{
	return refuse(what, advice, "descriptor %d of process %d, %s", it->number, survey->pid, it->link);
}
