#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tracer/capture/process/state.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/remote.h"

enum status helper_call(const struct helper *helper, int64_t *ret_result, long number, uint64_t a, uint64_t b,
                        uint64_t c, uint64_t d)
{
	const uint64_t arguments[6] = {a, b, c, d, 0, 0};

	return inject_syscall(helper->pid, helper->gate, number, arguments, ret_result);
}

enum status helper_fetch(const struct helper *helper, const char *what, void *result, size_t size,
                         long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	enum status status;
	int64_t answer;

	if ((status = helper_call(helper, &answer, number, a, b, c, d)) != STATUS_OK)
		return status;
	if (answer < 0)
		return fail(STATUS_FAILED, "can't read the program's state: %s of process %d: %s", what,
		            helper->pid, strerror((int)-answer));
	if (tracee_read(helper->pid, helper->scratch, result, size) < 0)
		return fail(STATUS_FAILED, "can't read the program's memory: process %d: %s", helper->pid,
		            strerror(errno));
	return STATUS_OK;
}

enum status helper_enter(pid_t pid, uint64_t gate, struct helper *ret_helper)
{
	struct helper helper = {.pid = pid, .gate = gate};
	enum status status;
	int64_t dumpable, result;

	if ((status = helper_call(&helper, &dumpable, SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0)) != STATUS_OK)
		return status;
	if (dumpable == 0) {
		if ((status = helper_call(&helper, &result, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0)) !=
		    STATUS_OK)
			return status;
		helper.dumpable_forced = true;
	}
	*ret_helper = helper;
	return STATUS_OK;
}

enum status helper_map_scratch(struct helper *helper)
{
	const uint64_t arguments[6] = {
	        0, SNAPIMG_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0};
	enum status status;
	int64_t result;

	status = inject_syscall(helper->pid, helper->gate, SYS_mmap, arguments, &result);
	if (status != STATUS_OK)
		return status;
	if (result < 0)
		return fail(STATUS_FAILED,
		            "can't map a page in the program: process %d: %s: raise its memory limit",
		            helper->pid, strerror((int)-result));
	helper->scratch = (uint64_t)result;
	return STATUS_OK;
}

enum status helper_leave(struct helper *helper)
{
	enum status status = STATUS_OK;
	int64_t result;

	if (helper->scratch)
		status = helper_call(helper, &result, SYS_munmap, helper->scratch, SNAPIMG_PAGE_SIZE, 0, 0);
	if (status == STATUS_OK && helper->dumpable_forced)
		status = helper_call(helper, &result, SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0);
	helper->scratch = 0;
	helper->dumpable_forced = false;
	return status;
}
