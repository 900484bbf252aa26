/* The scope of the calls made in a process: what they need there, and is given back. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "format/base/proc.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/remote.h"
#include "tracer/ptrace/remote_list_x86_64.h"

enum { PAGE = 4096 };

enum status remote_enter(pid_t pid, const struct remote_gate *gate, struct remote *ret_remote)
{
	struct remote remote = {.tid = proc_living(pid), .gate = *gate};
	enum status status;
	int64_t dumpable, result;

	if ((status = remote_call(&remote, &dumpable, SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0)) != STATUS_OK)
		return status;
	if (dumpable == 0) {
		if ((status = remote_call(&remote, &result, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0)) !=
		    STATUS_OK)
			return status;
		remote.dumpable_forced = true;
	}
	*ret_remote = remote;
	return STATUS_OK;
}

static enum status map_pages(struct remote *remote, size_t count, int64_t *ret_result)
{
	const uint64_t arguments[6] = {
	        0, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0};
	enum status status = remote_call_once(remote->tid, &remote->gate, SYS_mmap, arguments, ret_result);

	if (status != STATUS_OK || *ret_result < 0)
		return status;
	remote->scratch = (uint64_t)*ret_result;
	remote->mapped = count * PAGE;
	return STATUS_OK;
}

/* What a process may not have, by PR_SET_MDWE or a rule of its security module, it need not have. */
static enum status make_list_code(struct remote *remote)
{
	const uint64_t code = remote->scratch + 2 * PAGE;
	enum status status;
	int64_t result;

	if (tracee_write(remote->tid, code, list_code, (size_t)(list_code_end - list_code)) < 0)
		return fail(STATUS_FAILED, "can't write the program's memory: process %d: %s", remote->tid,
		            strerror(errno));
	status = remote_call(remote, &result, SYS_mprotect, code, PAGE, PROT_READ | PROT_EXEC, 0);
	remote->runs_lists = status == STATUS_OK && result == 0;
	return status;
}

enum status remote_map_scratch(struct remote *remote, bool may_trap)
{
	enum { WITH_LISTS = 3 };
	enum status status = STATUS_OK;
	int64_t result = -1;

	if (may_trap && !remote->gate.back)
		status = map_pages(remote, WITH_LISTS, &result);
	if (status == STATUS_OK && result >= 0)
		return make_list_code(remote);
	if (status == STATUS_OK)
		status = map_pages(remote, 1, &result);
	if (status == STATUS_OK && result < 0)
		return fail(STATUS_FAILED,
		            "can't map a page in the program: process %d: %s: raise its memory limit",
		            remote->tid, strerror((int)-result));
	return status;
}

enum status remote_leave(struct remote *remote)
{
	enum status status = STATUS_OK;
	int64_t result;

	if (remote->scratch)
		status = remote_call(remote, &result, SYS_munmap, remote->scratch, remote->mapped, 0, 0);
	if (status == STATUS_OK && remote->dumpable_forced)
		status = remote_call(remote, &result, SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0);
	remote->scratch = 0;
	remote->runs_lists = false;
	remote->dumpable_forced = false;
	return status;
}
