#include "tracer/capture/threads/users.h"

#include <stdio.h>
#include <stdlib.h>

#include "tracer/caller.h"
#include "tracer/refusals.h"

enum { DECIMAL = 10, HEXADECIMAL = 16 };

/* The real one, the effective, the saved and that of access to files (proc(5)). */
static enum status add_ids(const struct text *status, const char *key, enum snapimg_attribute_kind kind,
                           uint32_t index, struct attributes *attributes)
{
	uint32_t real, effective, saved, files;

	if (caller_has_same(status, key))
		return STATUS_OK;
	if (sscanf(proc_value(status, key), "%u %u %u %u", &real, &effective, &saved, &files) != 4)
		return fail(STATUS_FAILED, "can't read the program's state: %s in /proc/PID/status", key);
	return attributes_add_more(attributes, kind, index, (uint64_t)effective << 32 | real,
	                           (uint64_t)files << 32 | saved);
}

static enum status add_groups(const struct text *status, uint32_t index, struct attributes *attributes)
{
	const char *at = proc_value(status, "Groups"), *end = at + proc_value_length(at);
	enum status result = STATUS_OK;
	uint64_t place = 0;

	if (caller_has_same(status, "Groups"))
		return STATUS_OK;
	while (at < end && result == STATUS_OK) {
		char *after;
		uint64_t group = strtoul(at, &after, DECIMAL);
		if (after == at)
			break; /* the blank at the end */
		at = after;
		if (++place > SNAPIMG_MORE_GROUPS_MAX)
			return refuse("more than 256 supplementary groups",
			              "choose a point before setgroups(2)", "thread %u", index + 1);
		result = attributes_add_more(attributes, SNAPIMG_ATTRIBUTE_THREAD_MORE_GROUPS, index, group,
		                             place);
	}
	return place == 0 && result == STATUS_OK
	               ? attributes_add(attributes, SNAPIMG_ATTRIBUTE_THREAD_MORE_GROUPS, index, 0)
	               : result;
}

/* What an exec could give it; the others of each thread are read in own.c. */
static enum status add_limits(const struct text *status, uint32_t index, struct attributes *attributes)
{
	enum status result = STATUS_OK;

	if (!caller_has_same(status, "CapInh") || !caller_has_same(status, "CapAmb"))
		result = attributes_add_more(attributes, SNAPIMG_ATTRIBUTE_THREAD_INHERITABLE, index,
		                             proc_number(status, "CapInh", HEXADECIMAL),
		                             proc_number(status, "CapAmb", HEXADECIMAL));
	if (result == STATUS_OK && !caller_has_same(status, "CapBnd"))
		result = attributes_add(attributes, SNAPIMG_ATTRIBUTE_THREAD_BOUNDING, index,
		                        proc_number(status, "CapBnd", HEXADECIMAL));
	return result;
}

enum status threads_read_users(const struct threads *threads, const struct subject *subject,
                               struct attributes *attributes)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < threads->count && status == STATUS_OK; i++) {
		struct text own CLEANUP(text_free) = {0};
		const struct text *its = i == 0 ? &subject->status : &own;
		uint32_t index = (uint32_t)i;
		pid_t tid = threads->stopped->thread[i].tid;

		if ((i > 0 && (status = proc_read(proc_path(tid, "status"), &own)) != STATUS_OK) ||
		    (status = add_ids(its, "Uid", SNAPIMG_ATTRIBUTE_THREAD_USERS, index, attributes)) ||
		    (status = add_ids(its, "Gid", SNAPIMG_ATTRIBUTE_THREAD_GROUPS, index, attributes)) ||
		    (status = add_limits(its, index, attributes)))
			return status;
		status = pass_refusal(add_groups(its, index, attributes));
	}
	return status;
}
