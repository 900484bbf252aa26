#include "tracer/follow/exec_stop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "format/base/progress.h"
#include "preload/contract.h"
#include "tracer/follow/choice.h"
#include "tracer/follow/environment.h"
#include "tracer/points/entry_code_x86_64.h"
#include "tracer/processor/sites.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/remote.h"

enum { PAGE = 4096 };

enum status exec_stop_read_auxiliary(pid_t pid, struct auxiliary *ret_auxiliary)
{
	struct auxiliary auxiliary = {0};
	struct text text CLEANUP(text_free) = {0};
	Elf64_auxv_t entry;

	if (proc_read(proc_path(pid, "auxv"), &text) != STATUS_OK)
		return STATUS_FAILED;
	for (size_t at = 0; at + sizeof(entry) <= text.size; at += sizeof(entry)) {
		memcpy(&entry, text.bytes + at, sizeof(entry));
		if (entry.a_type == AT_NULL)
			break;
		if (entry.a_type == AT_ENTRY)
			auxiliary.entry = entry.a_un.a_val;
		else if (entry.a_type == AT_SECURE)
			auxiliary.secure = entry.a_un.a_val;
		else if (entry.a_type == AT_EXECFN)
			auxiliary.name = entry.a_un.a_val;
		else if (entry.a_type == AT_RANDOM)
			auxiliary.random = entry.a_un.a_val;
	}
	*ret_auxiliary = auxiliary;
	return STATUS_OK;
}

static uint64_t initial_break(pid_t pid)
{
	struct proc_stat stat;

	return proc_try_read_stat(pid, &stat) < 0 ? 0 : stat.field[STAT_START_BRK];
}

/*
 * A static executable of glibc before 2.35 takes the memory of its TLS from the break, and dies of it where
 * it gets none (csu/libc-tls.c, __libc_setup_tls). It gets no guard: its malloc, once refused, would not
 * round the break up to a page, as the next request after the restore needs it. One without symbols may be of
 * that kind.
 *
 * An executable that has a malloc of its own and asks the C library for sbrk may keep its objects in the
 * break and nowhere else (GNU Common Lisp, and so maxima). Its heap is carried where it is.
 */
static bool has_heap_in_break(const struct elf_file *executable)
{
	return elf_segment(executable, PT_INTERP) && elf_symbol(executable, "sbrk", ELF_IMPORT) &&
	       elf_symbol(executable, "malloc", ELF_CODE);
}

static bool needs_break(const struct elf_file *executable)
{
	static const char *const others[] = {"_dl_early_allocate" /* glibc 2.35 */, "__init_tls" /* musl */};

	if (elf_segment(executable, PT_INTERP))
		return has_heap_in_break(executable);
	if (!elf_segment(executable, PT_TLS))
		return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (elf_symbol(executable, others[i], ELF_CODE))
			return false;
	return true;
}

/*
 * brk(2) grows only if one page more than it asks for is free after it (mm/mmap.c,
 * find_vma_intersection(mm, oldbrk, newbrk + PAGE_SIZE)); so one page that can't be used keeps the break
 * where it is, for every caller, at the cost of one call. The page isn't part of the image: after a restore
 * the break grows from the value that the C library remembers.
 */
static enum status guard_break(struct tracee *tracee)
{
	struct process *process = tracee->process;
	uint64_t start = (initial_break(process->pid) + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	const uint64_t arguments[6] = {
	        start, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, (uint64_t)-1, 0};
	enum status status;
	int64_t result;

	if (!start)
		return fail(STATUS_FAILED, "/proc/%d/stat: doesn't tell where the break is", process->pid);
	if ((status = remote_call_once(tracee->tid, &process->gate, SYS_mmap, arguments, &result)) !=
	    STATUS_OK)
		return status;
	if (result == -EEXIST)
		return STATUS_OK; /* what is there already does the same */
	if (result != (int64_t)start)
		return fail(STATUS_FAILED, "process %d: no page for a guard after its break: %s",
		            process->pid, strerror((int)-result));
	process->guard_start = start;
	process->guard_end = start + PAGE;
	return STATUS_OK;
}

/* A program that gets on without what the point needs is left alone, unless it's the one that was asked for.
 */
static enum status not_for_us(const struct run *run, struct process *process, const char *why)
{
	const char *name = run->options->attach ? "-p" : run->options->program[0];

	choice_drop(process);
	if (process->pid == run->root || run->options->in)
		return fail(STATUS_CANNOT_RUN, "%s: process %d is %s", name, process->pid, why);
	explain("process %d is %s: passed over", process->pid, why);
	return STATUS_OK;
}

/* The kernel's 16 bytes, from which a C library makes the guards of its stacks and pointers: the same each
 * time. A start has new ones there. */
static enum status fix_random(const struct tracee *tracee, const struct auxiliary *auxiliary)
{
	static const uint8_t fixed[16] = "reproducible...";

	if (!auxiliary->random || tracee_write(tracee->tid, auxiliary->random, fixed, sizeof(fixed)) == 0)
		return STATUS_OK;
	return fail(STATUS_FAILED, "--reproducible: process %d: AT_RANDOM can't be written: %s",
	            tracee->process->pid, strerror(errno));
}

static enum status prepare_chosen(struct run *run, struct tracee *tracee, const struct auxiliary *auxiliary,
                                  const struct elf_file *executable)
{
	struct process *process = tracee->process;
	bool to_main = points_find(&run->points, &point_main);
	bool to_constructors = to_main && entry_has_constructors(executable);
	unsigned flags =
	        (to_main ? (unsigned)SNAP_SHIM_MARK_MAIN : 0u) |
	        (to_constructors ? (unsigned)SNAP_SHIM_MARK_CONSTRUCTORS : 0u) |
	        (run->options->self_contained ? (unsigned)SNAP_SHIM_LOAD_UNWINDER : 0u) |
	        (run->options->continues || needs_break(executable) ? 0u : (unsigned)SNAP_SHIM_REFUSE_BRK);
	bool attached = run->options->attach != 0; /* such a process gets neither the guard nor the shim */
	enum status status;

	process->entry = auxiliary->entry;
	process->bias = auxiliary->entry - executable->header->e_entry;
	if ((status = remote_find_gate(process->pid, attached, &process->gate)) != STATUS_OK ||
	    (!attached && !needs_break(executable) && (status = guard_break(tracee)) != STATUS_OK))
		return status;
	if (!attached && elf_segment(executable, PT_INTERP) &&
	    (status = environment_add_shim(tracee, run->shim, flags, auxiliary->name)) != STATUS_OK)
		return status;
	choice_count(run, process);
	if ((status = sites_plant(tracee, 0, UINT64_MAX)) != STATUS_OK)
		return status;
	return exec_stop_arm(run, tracee, executable);
}

enum status exec_stop_arm(struct run *run, struct tracee *tracee, const struct elf_file *executable)
{
	enum status status = STATUS_OK;

	for (unsigned i = 0; i < run->points.count && status == STATUS_OK; i++) {
		const struct point *point = &run->points.point[i];

		if (point->kind->arm)
			status = point->kind->arm(run, tracee, point, executable);
	}
	return status;
}

enum status exec_stop_prepare(struct run *run, struct tracee *tracee)
{
	struct process *process = tracee->process;
	struct auxiliary auxiliary;
	struct elf_file executable;
	enum status status = STATUS_OK;

	if ((status = exec_stop_read_auxiliary(process->pid, &auxiliary)) != STATUS_OK)
		return status;
	if (auxiliary.secure)
		return not_for_us(run, process, "a program that gains privilege (AT_SECURE)");
	if (elf_open(proc_path(process->pid, "exe").text, &executable) < 0)
		return not_for_us(run, process,
		                  errno == ENOEXEC ? "no 64-bit x86-64 program"
		                                   : "a program that can't be read");
	if (run->options->reproducible)
		status = fix_random(tracee, &auxiliary);
	if (status == STATUS_OK)
		status = prepare_chosen(run, tracee, &auxiliary, &executable);
	elf_close(&executable);
	return status;
}

enum status exec_stop_find_shim(char **ret_path)
{
	static const char *const places[] = {"../lib/snaptrace", "../preload"};
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	enum status status;
	char *shim;

	if (length < 0)
		return fail(STATUS_FAILED, "/proc/self/exe: %s: mount /proc", strerror(errno));
	self[length] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s/%s/libsnappreload.so", self, places[i]);
		if (!(shim = realpath(path, NULL)))
			continue;
		if (!strpbrk(shim, ": \t\n")) {
			*ret_path = shim;
			return STATUS_OK;
		}
		status = fail(STATUS_FAILED,
		              "%s: LD_PRELOAD can't hold a path with a blank or a colon: move snaptrace",
		              shim);
		free(shim);
		return status;
	}
	return fail(STATUS_FAILED, "%s/../lib/snaptrace/libsnappreload.so: not found: reinstall snaptrace",
	            self);
}
