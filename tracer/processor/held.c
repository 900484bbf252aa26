#include "tracer/processor/held.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "format/base/array.h"
#include "format/base/maps.h"
#include "tracer/processor/sites.h"
#include "tracer/ptrace/remote.h"

enum { PAGE = 4096, INSTRUCTION_MAX = 15 };
#define BOTH ((uint64_t)(PROT_WRITE | PROT_EXEC))

/* Of any process: the protection that its memory has there tells whether it's held back. */
struct range {
	uint64_t start, end;
};
static struct range *ranges;
static size_t range_count;

static bool was_held(uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < range_count; i++)
		if (ranges[i].start <= start && ranges[i].end >= end)
			return true;
	return false;
}

void held_ask(const struct tracee *tracee)
{
	struct user_regs_struct registers = tracee->registers;

	if ((registers.rdx & BOTH) != BOTH)
		return;
	registers.rdx &= ~(uint64_t)PROT_EXEC;
	tracee_set_registers(tracee, &registers);
}

bool held_note(const struct tracee *tracee, struct user_regs_struct *registers, uint64_t start, uint64_t end)
{
	if ((tracee->registers.rdx & BOTH) != BOTH)
		return false;
	registers->rdx = tracee->registers.rdx;
	tracee_set_registers(tracee, registers);
	end = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	if ((int64_t)registers->rax < 0 || was_held(start, end))
		return true;
	struct range *range = array_add(ranges, range_count);
	if (range)
		*range = (struct range){start, end};
	return true;
}

/* The pages that lie in memory which is writable only. */
static enum status make_executable(const struct tracee *tracee, const struct vma *vma, uint64_t start,
                                   uint64_t end)
{
	uint64_t first = vma->start > start ? vma->start : start, last = vma->end < end ? vma->end : end;
	const uint64_t arguments[6] = {first, last - first, vma->protection | PROT_EXEC};
	enum status status;
	int64_t result;

	if (first >= last || !(vma->protection & PROT_WRITE) || vma->protection & PROT_EXEC)
		return STATUS_OK;
	status = remote_call_once(tracee->tid, &tracee->process->gate, SYS_mprotect, arguments, &result);
	if (status == STATUS_OK && result < 0)
		return fail(STATUS_FAILED,
		            "--cpu: process %d: its memory at 0x%" PRIx64 " can't be made executable: %s",
		            tracee->process->pid, first, strerror((int)-result));
	return status;
}

/* The jump was to an address in memory that is held back. */
static enum status jump(const struct tracee *tracee, uint64_t address, bool *ret_jumped)
{
	struct maps maps CLEANUP(maps_free) = {0};
	uint64_t page = address & ~(uint64_t)(PAGE - 1);
	int result = maps_try_read(tracee->process->pid, &maps);
	const struct vma *vma = result < 0 ? NULL : maps_find(&maps, address);
	enum status status;

	if (!vma || !(vma->protection & BOTH))
		return STATUS_OK;
	*ret_jumped = true;
	if (vma->protection & PROT_EXEC) /* another thread was the first */
		return STATUS_OK;
	status = make_executable(tracee, vma, page, page + PAGE);
	return status == STATUS_OK ? sites_plant(tracee, page, page + PAGE) : status;
}

enum status held_jump(const struct tracee *tracee, const siginfo_t *info, bool *ret_jumped)
{
	uint64_t address = (uint64_t)(uintptr_t)info->si_addr, page = address & ~(uint64_t)(PAGE - 1);
	struct user_regs_struct registers;
	struct remote remote;
	enum status status;

	*ret_jumped = false;
	if (info->si_signo != SIGSEGV || info->si_code != SEGV_ACCERR || !was_held(page, page + PAGE) ||
	    !tracee_get_registers(tracee, &registers) || address - registers.rip >= INSTRUCTION_MAX)
		return STATUS_OK;
	if ((status = sites_open_memory(tracee, &remote)) != STATUS_OK)
		return status;
	return sites_close_memory(&remote, jump(tracee, address, ret_jumped));
}

static enum status give_all(const struct tracee *tracee)
{
	struct maps maps CLEANUP(maps_free) = {0};
	int result = maps_try_read(tracee->process->pid, &maps);
	enum status status = STATUS_OK;

	if (result < 0)
		return result == -ENOENT || result == -ESRCH ? STATUS_OK
		                                             : fail(STATUS_FAILED, "/proc/%d/maps: %s",
		                                                    tracee->process->pid, strerror(-result));
	for (size_t i = 0; i < maps.count && status == STATUS_OK; i++)
		for (size_t k = 0; k < range_count && status == STATUS_OK; k++)
			status = make_executable(tracee, &maps.vma[i], ranges[k].start, ranges[k].end);
	return status;
}

enum status held_give(const struct tracee *tracee)
{
	struct remote remote;
	enum status status;

	if (range_count == 0)
		return STATUS_OK;
	if ((status = sites_open_memory(tracee, &remote)) != STATUS_OK)
		return status;
	return sites_close_memory(&remote, give_all(tracee));
}
