#include "tracer/caller.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "format/base/array.h"
#include "tracer/capture/snapshot.h"
#include "tracer/ipc.h"

struct caller the_caller;

static int by_number(const void *left, const void *right)
{
	const struct caller_descriptor *a = left, *b = right;

	return (a->number > b->number) - (a->number < b->number);
}

/* asm-generic/ioctls.h: _IOR('T', 0x2A, struct termios2); its header and libc's exclude each other. */
#define GET_TERMIOS 0x802c542aul

bool terminal_modes(int descriptor, uint8_t ret_modes[SNAPIMG_TERMIOS_SIZE])
{
	return ioctl(descriptor, GET_TERMIOS, ret_modes) == 0;
}

static enum status remember_descriptor(int number)
{
	char link[4096];
	enum status status;
	struct caller_descriptor *added;

	status = proc_read_link(proc_path(PROC_SELF, "fd/%d", number), link, sizeof(link));
	if (status != STATUS_OK)
		return status;
	if (!(added = array_add(the_caller.descriptor, the_caller.descriptor_count)))
		return fail(STATUS_FAILED, "out of memory");
	*added = (struct caller_descriptor){.number = number, .link = strdup(link)};
	added->is_terminal = terminal_modes(number, added->modes);
	if (!added->link)
		return fail(STATUS_FAILED, "out of memory");
	return proc_read(proc_path(PROC_SELF, "fdinfo/%d", number), &added->info);
}

static enum status remember_descriptors(void)
{
	enum status status = STATUS_OK;
	struct dirent *entry;
	DIR *directory = opendir("/proc/self/fd");

	if (!directory)
		return fail(STATUS_FAILED, "can't read /proc/self/fd: %s: mount /proc", strerror(errno));
	while (status == STATUS_OK && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
			continue;
		status = remember_descriptor(atoi(entry->d_name));
	}
	closedir(directory);
	if (status == STATUS_OK && the_caller.descriptor_count)
		qsort(the_caller.descriptor, the_caller.descriptor_count, sizeof(*the_caller.descriptor),
		      by_number);
	return status;
}

static const struct caller_descriptor *find_descriptor(int number)
{
	for (size_t i = 0; i < the_caller.descriptor_count && !the_caller.attached; i++)
		if (the_caller.descriptor[i].number == number)
			return &the_caller.descriptor[i];
	return NULL;
}

bool caller_has_same(const struct text *status, const char *key)
{
	const char *own = proc_value(&the_caller.status, key), *its = proc_value(status, key);
	size_t length = proc_value_length(own);

	return proc_value_length(its) == length && strncmp(own, its, length) == 0;
}

uint32_t caller_personality(const char *text)
{
	uint32_t its = (uint32_t)strtoul(text, NULL, 16);

	return the_caller.fixed_addresses ? its & ~(uint32_t)ADDR_NO_RANDOMIZE : its;
}

const struct text *caller_info(int number)
{
	const struct caller_descriptor *found = find_descriptor(number);

	return found ? &found->info : NULL;
}

const char *caller_link(int number)
{
	const struct caller_descriptor *found = find_descriptor(number);

	return found ? found->link : "";
}

const uint8_t *caller_modes(int number)
{
	const struct caller_descriptor *found = find_descriptor(number);

	return found && found->is_terminal ? found->modes : NULL;
}

enum status snapshot_remember_caller(void)
{
	enum status status;

	if ((status = remember_descriptors()) != STATUS_OK ||
	    (status = proc_read(proc_path(PROC_SELF, "status"), &the_caller.status)) != STATUS_OK ||
	    (status = ipc_remember()) != STATUS_OK)
		return status;
	the_caller.ignored_signals = proc_number(&the_caller.status, "SigIgn", 16);
	the_caller.timer_slack_ns = (uint64_t)prctl(PR_GET_TIMERSLACK);
	the_caller.personality = (uint32_t)personality(0xffffffff);
	if (the_caller.fixed_addresses)
		the_caller.personality &= ~(uint32_t)ADDR_NO_RANDOMIZE;
	if (prctl(PR_GET_CHILD_SUBREAPER, &the_caller.subreaper) < 0)
		the_caller.subreaper = 0;
	for (unsigned int i = 0; i < RLIM_NLIMITS; i++)
		if (getrlimit(i, &the_caller.limit[i]) < 0)
			the_caller.limit[i] = (struct rlimit){0};
	return STATUS_OK;
}
