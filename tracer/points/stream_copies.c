#include "tracer/points/stream_copies.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "format/base/proc.h"
#include "tracer/points/effect_descriptor.h"
#include "tracer/ptrace/tracee.h"

static const uint32_t duplicating[] = {
        SYS_dup,
        SYS_dup3,
#ifdef SYS_dup2 /* newer architectures have none */
        SYS_dup2,
#endif
};
static const uint32_t duplicating_by_fcntl[] = {F_DUPFD, F_DUPFD_CLOEXEC};

void stream_copies_watch(struct call_rules *rules, uint32_t fd)
{
	for (size_t i = 0; i < sizeof(duplicating) / sizeof(*duplicating); i++)
		call_rule_when(call_rules_add(rules, duplicating[i], duplicating[i]), 0, UINT32_MAX, fd);
	for (size_t i = 0; i < sizeof(duplicating_by_fcntl) / sizeof(*duplicating_by_fcntl); i++) {
		struct call_rule *rule = call_rules_add(rules, SYS_fcntl, SYS_fcntl);
		call_rule_when(rule, 0, UINT32_MAX, fd);
		call_rule_when(rule, 1, UINT32_MAX, duplicating_by_fcntl[i]);
	}
}

bool stream_copy_asked(const struct call *call)
{
	for (size_t i = 0; i < sizeof(duplicating) / sizeof(*duplicating); i++)
		if (call->number == duplicating[i])
			return true;
	for (size_t i = 0; i < sizeof(duplicating_by_fcntl) / sizeof(*duplicating_by_fcntl); i++)
		if (call->number == SYS_fcntl && (uint32_t)call->argument[1] == duplicating_by_fcntl[i])
			return true;
	return false;
}

/* Another thread may be using the new number before we know it. */
bool stream_copy_begins(struct tracee *tracee, const struct call *call)
{
	struct call original = *call;

	if (!stream_copy_asked(call) || tracee->process->threads > 1 ||
	    tracee->process->copies.count == COPIES_MAX)
		return false;
	stream_copies_translate(tracee, &original);
	tracee->copied = (int)original.argument[0];
	tracee->awaited = AWAIT_COPY;
	return true;
}

void stream_copy_ended(struct tracee *tracee, int64_t result)
{
	struct copies *copies = &tracee->process->copies;

	if (result < 0 || descriptor_was_inherited((int)result))
		return;
	for (unsigned i = 0; i < copies->count; i++)
		if (copies->copy[i].number == (int)result)
			return;
	if (copies->count < COPIES_MAX)
		copies->copy[copies->count++] =
		        (struct copy){.number = (int)result, .original = tracee->copied};
}

bool stream_copies_remain(struct tracee *tracee)
{
	struct copies *copies = &tracee->process->copies;
	unsigned count = 0;
	struct stat link;

	for (unsigned i = 0; i < copies->count; i++)
		if (lstat(proc_path(tracee->tid, "fd/%d", copies->copy[i].number).text, &link) == 0 &&
		    descriptor_is_inherited(tracee->tid, copies->copy[i].number))
			copies->copy[count++] = copies->copy[i];
	copies->count = count;
	return count > 0;
}

bool stream_copies_translate(const struct tracee *tracee, struct call *call)
{
	const struct copies *copies = &tracee->process->copies;

	for (unsigned i = 0; i < copies->count; i++)
		if (copies->copy[i].number == (int)call->argument[0]) {
			call->argument[0] = (uint64_t)copies->copy[i].original;
			return true;
		}
	return false;
}
