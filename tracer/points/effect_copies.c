#include "tracer/points/effect_copies.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "format/base/proc.h"
#include "tracer/points/effect_descriptor.h"
#include "tracer/ptrace/tracee.h"

static bool duplicates(const struct call *call)
{
#ifdef SYS_dup2 /* newer architectures have none */
	if (call->number == SYS_dup2)
		return true;
#endif
	return call->number == SYS_dup || call->number == SYS_dup3 ||
	       (call->number == SYS_fcntl &&
	        ((uint32_t)call->argument[1] == F_DUPFD || (uint32_t)call->argument[1] == F_DUPFD_CLOEXEC));
}

/* Another thread may be using the new number before we know it. */
bool effect_copy_begins(struct tracee *tracee, const struct call *call)
{
	struct call original = *call;

	if (!duplicates(call) || tracee->process->threads > 1 || tracee->process->copies.count == COPIES_MAX)
		return false;
	effect_copies_translate(tracee, &original);
	tracee->copied = (int)original.argument[0];
	tracee->awaited = AWAIT_COPY;
	return true;
}

void effect_copy_ended(struct tracee *tracee, int64_t result)
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

bool effect_copies_remain(struct tracee *tracee)
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

bool effect_copies_translate(const struct tracee *tracee, struct call *call)
{
	const struct copies *copies = &tracee->process->copies;

	for (unsigned i = 0; i < copies->count; i++)
		if (copies->copy[i].number == (int)call->argument[0]) {
			call->argument[0] = (uint64_t)copies->copy[i].original;
			return true;
		}
	return false;
}
