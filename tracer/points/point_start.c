/* The points at the start of a program: `main` and `entry`. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>

#include "preload/contract.h"
#include "tracer/points/point_start.h"
#include "tracer/ptrace/breakpoint.h"

/* A dynamic program is stopped by the shim. A static one has no dynamic linker to load that, but has
 * nothing between exec and main either that a breakpoint could disturb. */
static enum status arm_main(struct run *run, struct tracee *tracee, const struct point *point,
                            const struct elf_file *executable)
{
	struct process *process = tracee->process;
	const Elf64_Sym *symbol;

	if (elf_segment(executable, PT_INTERP))
		return STATUS_OK;
	if (!(symbol = elf_symbol(executable, "main", ELF_CODE))) {
		if (process->pid != run->root && !run->options->in)
			return STATUS_OK; /* one of several programs: another may have a main */
		return fail(STATUS_FAILED,
		            "%s: a static program without a symbol main (stripped, or not C): "
		            "use --at entry, here, path:PATH, syscall:NAME or 0xADDRESS",
		            run->options->program[0]);
	}
	return breakpoint_plant(process, BREAKPOINT_POINT, process->bias + symbol->st_value, point);
}

/* C's environ of a static program; 0 if its symbols don't tell. */
static uint64_t static_environ(const struct process *process)
{
	const Elf64_Sym *symbol;
	struct elf_file file;
	uint64_t cell = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", process->pid);
	if (elf_open(path, &file) < 0)
		return 0;
	symbol = elf_symbol(&file, "__environ", ELF_OBJECT);
	if (!symbol)
		symbol = elf_symbol(&file, "environ", ELF_OBJECT);
	if (symbol)
		cell = process->bias + symbol->st_value;
	elf_close(&file);
	return cell;
}

static struct arrival hit_main(struct run *run, struct tracee *tracee, const struct breakpoint *breakpoint)
{
	snprintf(run->trigger, sizeof(run->trigger), "breakpoint at main (0x%" PRIx64 ")",
	         breakpoint->address);
	return (struct arrival){.point = breakpoint->point,
	                        .resume_main = true,
	                        .environ_cell = static_environ(tracee->process)};
}

bool is_main_marker(const struct user_regs_struct *registers)
{
	return registers->rax == SNAP_MAIN_MAGIC;
}

enum status main_marker_met(struct run *run, struct tracee *tracee, const struct user_regs_struct *registers,
                            struct arrival *ret_arrival)
{
	if (registers->r11 != SNAP_CONTRACT_VERSION)
		return fail(STATUS_FAILED,
		            "%s: is of another version (contract %llu, not %d): reinstall snaptrace",
		            run->shim, registers->r11, SNAP_CONTRACT_VERSION);
	const struct point *point = points_find(&run->points, &point_main);
	if (!point || !run_wants(run, tracee) || !run_counts(run, tracee, point))
		return STATUS_OK;
	snprintf(run->trigger, sizeof(run->trigger), "main, told by the shim");
	*ret_arrival = (struct arrival){.point = point, .resume_main = true, .environ_cell = registers->r10};
	return STATUS_OK;
}

static enum status arm_entry(struct run *run, struct tracee *tracee, const struct point *point,
                             const struct elf_file *executable)
{
	(void)run;
	(void)executable;
	return breakpoint_plant(tracee->process, BREAKPOINT_POINT, tracee->process->entry, point);
}

static struct arrival hit_entry(struct run *run, struct tracee *tracee, const struct breakpoint *breakpoint)
{
	(void)tracee;
	snprintf(run->trigger, sizeof(run->trigger), "the entry (0x%" PRIx64 ")", breakpoint->address);
	return (struct arrival){.point = breakpoint->point};
}

const struct point_kind point_main = {
        .word = "main",
        .form = "main",
        .help = "before main",
        .at_start = true,
        .arm = arm_main,
        .hit = hit_main,
        .hint = "main is found in C and its like; see snaptrace --help for other points",
};

const struct point_kind point_entry = {
        .word = "entry",
        .form = "entry",
        .help = "at the program's entry, after the dynamic linker",
        .at_start = true,
        .arm = arm_entry,
        .hit = hit_entry,
        .hint = "that can't be: report it",
};
