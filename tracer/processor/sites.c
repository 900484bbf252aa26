#include "tracer/processor/sites.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "format/base/maps.h"
#include "tracer/processor/answer_x86_64.h"
#include "tracer/processor/instruction.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/remote.h"

enum {
	PAGE = 4096,
	PIECE = 24 * PAGE, /* of code that is looked through at a time */
	TAIL = CPUID_LENGTH + INSTRUCTION_TAIL + 14,
	INT3 = 0xcc,
	CPUID_1 = 0x0f,
	CPUID_2 = 0xa2,
};

static uint32_t level_shown;

/* Every address where one was planted in any process: a table with open addressing, 0 where it's free. */
static struct {
	uint64_t *address;
	size_t room, count;
} planted;

static size_t slot_of(const uint64_t *table, size_t room, uint64_t address)
{
	size_t slot = (size_t)(address * 0x9e3779b97f4a7c15u >> 32) & (room - 1);

	while (table[slot] && table[slot] != address)
		slot = (slot + 1) & (room - 1);
	return slot;
}

static bool was_planted(uint64_t address)
{
	return planted.count > 0 &&
	       planted.address[slot_of(planted.address, planted.room, address)] == address;
}

static enum status remember(uint64_t address)
{
	if (was_planted(address))
		return STATUS_OK;
	if (planted.count * 2 >= planted.room) {
		size_t room = planted.room ? planted.room * 2 : 256;
		uint64_t *larger = calloc(room, sizeof(*larger));

		if (!larger)
			return fail(STATUS_FAILED, "out of memory");
		for (size_t i = 0; i < planted.room; i++)
			if (planted.address[i])
				larger[slot_of(larger, room, planted.address[i])] = planted.address[i];
		free(planted.address);
		planted.address = larger;
		planted.room = room;
	}
	planted.address[slot_of(planted.address, planted.room, address)] = address;
	planted.count++;
	return STATUS_OK;
}

void sites_begin(uint32_t level)
{
	level_shown = level;
	tracees_answer_int3 = level ? sites_answer : NULL;
}

/* An executable mapping of a process. */
struct code {
	pid_t pid;
	uint64_t start, end;
	bool shared, of_file;
	uint8_t first; /* what a cpuid begins with: its own byte, or an int3 */
};
typedef enum status site_visitor(const struct code *code, uint64_t address, void *context);

/* Each cpuid in [start, end) of a mapping; what can't be read has none. */
static enum status walk_code(const struct code *code, uint64_t start, uint64_t end, site_visitor *visit,
                             void *context)
{
	static uint8_t bytes[INSTRUCTION_LEAD + PIECE + TAIL];
	enum status status = STATUS_OK;

	for (uint64_t piece = start; piece < end && status == STATUS_OK; piece += PIECE) {
		uint64_t from =
		        piece - code->start < INSTRUCTION_LEAD ? code->start : piece - INSTRUCTION_LEAD;
		uint64_t stop = end - piece < PIECE ? end : piece + PIECE;
		uint64_t to = code->end - stop < TAIL ? code->end : stop + TAIL;
		size_t got = tracee_read_some(code->pid, from, bytes, to - from);

		for (const uint8_t *next = bytes; got > 0 && status == STATUS_OK; next++) {
			next = memchr(next, CPUID_2, got - (size_t)(next - bytes));
			if (!next)
				break;
			size_t at = (size_t)(next - bytes);
			if (at == 0 || next[-1] != code->first || from + at - 1 < start ||
			    from + at - 1 >= stop || !instruction_is_cpuid(bytes, got, at - 1))
				continue;
			status = visit(code, from + at - 1, context);
		}
	}
	return status;
}

static enum status walk(pid_t pid, uint8_t first, uint64_t start, uint64_t end, site_visitor *visit,
                        void *context)
{
	struct maps maps CLEANUP(maps_free) = {0};
	int result = maps_try_read(pid, &maps);
	enum status status = STATUS_OK;

	if (result < 0) /* it is gone, or has made itself undumpable */
		return result == -ENOENT || result == -ESRCH
		               ? STATUS_OK
		               : fail(STATUS_FAILED, "/proc/%d/maps: %s", pid, strerror(-result));
	for (size_t i = 0; i < maps.count && status == STATUS_OK; i++) {
		const struct vma *vma = &maps.vma[i];
		struct code code = {pid, vma->start, vma->end, vma->shared, vma->inode != 0, first};

		if (vma->protection & PROT_EXEC && vma->start < end && vma->end > start &&
		    strcmp(vma->name, "[vdso]") != 0)
			status = walk_code(&code, vma->start > start ? vma->start : start,
			                   vma->end < end ? vma->end : end, visit, context);
	}
	return status;
}

static enum status put(pid_t pid, uint64_t address, uint8_t byte)
{
	if (tracee_write(pid, address, &byte, 1) == 0 || errno == ESRCH)
		return STATUS_OK;
	return fail(STATUS_FAILED, "--cpu: process %d: its code at 0x%" PRIx64 " can't be written: %s", pid,
	            address, strerror(errno));
}

static enum status plant_one(const struct code *code, uint64_t address, void *context)
{
	enum status status;

	(void)context;
	if (code->shared) {
		tell("--cpu: process %d: code in shared memory asks the processor (0x%" PRIx64
		     "), and hears what this one has",
		     code->pid, address);
		return STATUS_OK;
	}
	if ((status = remember(address)) != STATUS_OK)
		return status;
	return put(code->pid, address, INT3);
}

enum status sites_open_memory(const struct tracee *tracee, struct remote *ret_remote)
{
	int file = open(proc_path(tracee->process->pid, "maps").text, O_RDONLY | O_CLOEXEC);
	bool closed = file < 0 && errno == EACCES;

	*ret_remote = (struct remote){0};
	if (file >= 0)
		close(file);
	return closed && tracee->process->gate.call
	               ? remote_enter(tracee->tid, &tracee->process->gate, ret_remote)
	               : STATUS_OK;
}

enum status sites_close_memory(struct remote *remote, enum status status)
{
	enum status left = remote_leave(remote);

	return status == STATUS_OK ? left : status;
}

enum status sites_plant(const struct tracee *tracee, uint64_t start, uint64_t end)
{
	struct remote remote;
	enum status status;

	if (!level_shown || (status = sites_open_memory(tracee, &remote)) != STATUS_OK)
		return level_shown ? status : STATUS_OK;
	status = walk(tracee->process->pid, CPUID_1, start, end, plant_one, NULL);
	return sites_close_memory(&remote, status);
}

/* What stands at an address, where there could be one. */
static bool read_site(pid_t pid, uint64_t address, uint8_t bytes[CPUID_LENGTH])
{
	return tracee_read(pid, address, bytes, CPUID_LENGTH) == 0 && bytes[1] == CPUID_2;
}

/* One in memory that no file is mapped to: code that was copied or moved there. */
static enum status mend_copy(const struct code *code, uint64_t address, void *context)
{
	(void)context;
	return code->of_file ? STATUS_OK : put(code->pid, address, CPUID_1);
}

static enum status take_out_all(pid_t pid)
{
	enum status status = STATUS_OK;
	uint8_t bytes[CPUID_LENGTH];

	for (size_t i = 0; i < planted.room && status == STATUS_OK; i++)
		if (planted.address[i] && read_site(pid, planted.address[i], bytes) && bytes[0] == INT3)
			status = put(pid, planted.address[i], CPUID_1);
	return status == STATUS_OK ? walk(pid, INT3, 0, UINT64_MAX, mend_copy, NULL) : status;
}

enum status sites_take_out(const struct tracee *tracee)
{
	struct remote remote;
	enum status status;

	if (planted.count == 0)
		return STATUS_OK;
	if ((status = sites_open_memory(tracee, &remote)) != STATUS_OK)
		return status;
	return sites_close_memory(&remote, take_out_all(tracee->process->pid));
}

/* An int3 while SIGTRAP is blocked unblocks it (force_sig(), kernel/signal.c). Who blocks all others has
 * blocked this one, too: a handler, a thread that is made. */
static void block_again(pid_t tid)
{
	const uint64_t trap = UINT64_C(1) << (SIGTRAP - 1);
	const uint64_t never = UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1);
	uint64_t mask;

	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(mask), &mask) < 0 ||
	    ((mask | trap | never) & INT32_MAX) != INT32_MAX)
		return;
	mask |= trap;
	(void)ptrace(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask);
}

bool sites_answer(const struct tracee *tracee, const struct user_regs_struct *registers)
{
	struct user_regs_struct answered = *registers;
	uint8_t bytes[CPUID_LENGTH] = {0};

	/* Code may have been copied or moved with it; or it was taken out meanwhile. */
	if (!level_shown)
		return false;
	/* Its memory may be closed (sites_open_memory()). */
	bool readable = read_site(tracee->process->pid, registers->rip - 1, bytes) || errno != EPERM;
	if (readable ? bytes[1] != CPUID_2 ||
	                       (bytes[0] != INT3 && (bytes[0] != CPUID_1 || !was_planted(registers->rip - 1)))
	             : !was_planted(registers->rip - 1))
		return false;
	struct cpuid_answer answer =
	        processor_answer(level_shown, (uint32_t)registers->rax, (uint32_t)registers->rcx);
	answered.rax = answer.eax;
	answered.rbx = answer.ebx;
	answered.rcx = answer.ecx;
	answered.rdx = answer.edx;
	answered.rip = registers->rip - 1 + CPUID_LENGTH;
	tracee_set_registers(tracee, &answered);
	block_again(tracee->tid);
	return true;
}

static enum status note_unmet(const struct code *code, uint64_t address, void *context)
{
	uint64_t *first = context;

	if (!code->of_file && *first == 0)
		*first = address;
	return STATUS_OK;
}

enum status sites_find_unmet(const struct tracee *tracee, uint64_t *ret_address)
{
	struct remote remote;
	enum status status;

	*ret_address = 0;
	if (!level_shown)
		return STATUS_OK;
	if ((status = sites_open_memory(tracee, &remote)) != STATUS_OK)
		return status;
	return sites_close_memory(
	        &remote, walk(tracee->process->pid, CPUID_1, 0, UINT64_MAX, note_unmet, ret_address));
}
