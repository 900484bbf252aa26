#include "tracer/capture/fds/survey.h"

#include <dirent.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer/caller.h"
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
	*survey = (struct survey){0};
}

static int by_number(const void *left, const void *right)
{
	const struct open_descriptor *a = left, *b = right;

	return (a->number > b->number) - (a->number < b->number);
}

static enum status look_at(struct survey *survey, int number)
{
	struct open_descriptor *it = &survey->open[survey->count];
	struct proc_path name;
	char link[4096];
	enum status status;

	*it = (struct open_descriptor){
	        .number = number, .inherited = -1, .duplicate = -1, .object = -1, .copy = -1};
	snprintf(name.text, sizeof(name.text), "fdinfo/%d", number);
	if ((status = proc_read(survey->pid, name.text, &it->info)) != STATUS_OK)
		return status;
	survey->count++; /* from here on it's freed with the others */
	snprintf(name.text, sizeof(name.text), "fd/%d", number);
	if ((status = proc_read_link(survey->pid, name.text, link, sizeof(link))) != STATUS_OK)
		return status;
	name = proc_path(survey->pid, name.text);
	it->known = stat(name.text, &it->identity) == 0;
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
		if (survey->count % 64 == 0) {
			struct open_descriptor *grown =
			        realloc(survey->open, (survey->count + 64) * sizeof(*grown));
			if (!grown) {
				status = fail(STATUS_FAILED, "out of memory");
				break;
			}
			survey->open = grown;
		}
		status = look_at(survey, atoi(entry->d_name));
	}
	closedir(directory);
	if (status == STATUS_OK && survey->count)
		qsort(survey->open, survey->count, sizeof(*survey->open), by_number);
	return status;
}

/* Whether two descriptors are one open file: 1, 0, or -1 where the kernel doesn't tell (no CONFIG_KCMP). */
static int same_open_file(pid_t left_pid, int left, pid_t right_pid, int right)
{
	long order = syscall(SYS_kcmp, left_pid, right_pid, KCMP_FILE, left, right);

	return order < 0 ? -1 : order == 0;
}

/* The second best: the same file, mode and place in it. Two opens of a terminal or /dev/null are the same
 * in effect; two of a regular file at one position would from then on share it. */
static bool look_alike(const struct open_descriptor *left, const struct open_descriptor *right)
{
	return left->known && right->known && left->identity.st_dev == right->identity.st_dev &&
	       left->identity.st_ino == right->identity.st_ino && left->flags == right->flags &&
	       left->position == right->position;
}

static bool is_inherited(const struct survey *survey, const struct open_descriptor *it,
                         const struct caller_descriptor *of)
{
	if (strcmp(it->link, of->link) != 0)
		return false;
	int same = same_open_file(survey->pid, it->number, getpid(), of->number);
	if (same >= 0)
		return same;
	struct open_descriptor single = {.copy = -1};
	struct survey own = {.pid = getpid(), .open = &single};
	bool alike =
	        it->number == of->number && look_at(&own, of->number) == STATUS_OK && look_alike(it, &single);
	forget(&single);
	return alike;
}

/* The caller's descriptor it is, or -1. The same number first, as 1 and 2 are often one open file. */
static int find_inherited(const struct survey *survey, const struct open_descriptor *it)
{
	int found = -1;

	for (size_t i = 0; i < the_caller.descriptor_count; i++) {
		const struct caller_descriptor *of = &the_caller.descriptor[i];
		if ((found < 0 || of->number == it->number) && is_inherited(survey, it, of))
			found = of->number;
	}
	return found;
}

static int find_duplicate(const struct survey *survey, const struct open_descriptor *it)
{
	for (const struct open_descriptor *other = survey->open; other < it; other++) {
		if (other->policy || strcmp(other->link, it->link) != 0)
			continue;
		int same = same_open_file(survey->pid, it->number, survey->pid, other->number);
		if (same > 0 || (same < 0 && look_alike(it, other)))
			return other->number;
	}
	return -1;
}

enum status survey_read(struct survey *survey, const struct policies *policies)
{
	enum status status = read_directory(survey);

	for (size_t i = 0; i < survey->count && status == STATUS_OK; i++) {
		struct open_descriptor *it = &survey->open[i];
		/* Of a process that ran before, nobody knows what it was given but its standard streams. */
		it->inherited = !the_caller.attached ? find_inherited(survey, it)
		                : it->number < 3     ? it->number
		                                     : -1;
		it->policy = policies_find(policies, it->number);
		it->duplicate = it->inherited >= 0 || it->policy ? -1 : find_duplicate(survey, it);
	}
	return status;
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
	return it->copy >= 0;
}

enum status survey_copy(const struct survey *survey, struct open_descriptor *it)
{
	if (survey_try_copy(survey, it))
		return STATUS_OK;
	return fail(STATUS_FAILED, "can't look at descriptor %d of process %d, %s: pidfd_getfd: %s",
	            it->number, survey->pid, it->link, strerror(errno));
}

/* Names of files without a name may be several files'. */
static bool is_same_file(int directory, const char *name, const struct open_descriptor *it)
{
	struct stat found;

	return it->link[0] != '/' ||
	       (fstatat(directory, name, &found, 0) == 0 && found.st_dev == it->identity.st_dev &&
	        found.st_ino == it->identity.st_ino);
}

static bool holds(pid_t pid, const struct open_descriptor *it)
{
	struct proc_path path = proc_path(pid, "fd");
	DIR *directory = opendir(path.text);
	struct dirent *entry;
	bool found = false;

	while (directory && !found && (entry = readdir(directory))) {
		char its[256];
		ssize_t length = readlinkat(dirfd(directory), entry->d_name, its, sizeof(its) - 1);
		if (length < 0)
			continue;
		its[length] = '\0';
		found = strcmp(its, it->link) == 0 && is_same_file(dirfd(directory), entry->d_name, it);
	}
	if (directory)
		closedir(directory);
	return found;
}

pid_t survey_other_holder(const struct survey *survey, const struct open_descriptor *it)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (directory && !found && (entry = readdir(directory))) {
		pid_t pid = atoi(entry->d_name);
		if (pid > 0 && pid != survey->pid && pid != getpid() && holds(pid, it))
			found = pid;
	}
	if (directory)
		closedir(directory);
	return found;
}

enum status refuse_descriptor(const struct survey *survey, const struct open_descriptor *it, const char *what,
                              const char *advice)
{
	return refuse(what, advice, "descriptor %d of process %d, %s", it->number, survey->pid, it->link);
}
