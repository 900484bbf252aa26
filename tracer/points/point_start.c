/* The points at the start of a program: `main` and `entry`. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>

#include "format/base/proc.h"
#include "preload/contract.h"
#include "tracer/points/entry_code_x86_64.h"
#include "tracer/points/point_start.h"
#include "tracer/ptrace/breakpoint.h"
#include "tracer/ptrace/memory.h"

/* A dynamic program is stopped by the shim. A static one has no dynamic linker to load that, but has
 * nothing between exec and main either that a breakpoint could disturb. */
static enum status arm_main(struct run *run, struct tracee *tracee, const struct point *point,
                            const struct elf_file *executable)
{
	struct process *process = tracee->process;
	const Elf64_Sym *symbol;
	uint64_t address;

	if (elf_segment(executable, PT_INTERP))
		return STATUS_OK;
	if ((symbol = elf_symbol(executable, "main", ELF_CODE)))
		address = symbol->st_value;
	else if (!(address = entry_find_main(executable))) {
		if ((process->pid != run->root && !run->options->in) || run->options->check)
			return STATUS_OK; /* one of several programs, or points: another may be met */
		return fail(STATUS_FAILED,
		            "%s: a static program without a main that can be found (not C): "
		            "use --at entry, here, path:PATH, syscall:NAME or 0xADDRESS",
		            run->options->program[0]);
	}
	return breakpoint_plant(process, BREAKPOINT_POINT, process->bias + address, point);
}

/* C's environ of a stripped program: the one word of its data that has main's third argument. */
static uint64_t search_environ(const struct process *process, const struct elf_file *file, uint64_t envp)
{
	uint64_t words[8192], cell = 0, from, end;
	unsigned found = 0;
	size_t got;

	for (unsigned i = 0; i < file->header->e_phnum; i++) {
		const Elf64_Phdr *segment = &file->segments[i];

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W))
			continue;
		from = (process->bias + segment->p_vaddr + 7) & ~(uint64_t)7;
		end = process->bias + segment->p_vaddr + segment->p_memsz;
		for (; from + sizeof(*words) <= end; from += got / sizeof(*words) * sizeof(*words)) {
			size_t size = end - from < sizeof(words) ? end - from : sizeof(words);

			got = tracee_read_some(process->pid, from, words, size);
			if (got < sizeof(*words))
				break;
			for (size_t at = 0; at < got / sizeof(*words); at++)
				if (words[at] == envp && found++ == 0)
					cell = from + at * sizeof(*words);
		}
	}
	return found == 1 ? cell : 0;
}

/* C's environ of a static program; 0 if neither its symbols nor its data tell. */
static uint64_t static_environ(const struct tracee *tracee)
{
	const struct process *process = tracee->process;
	struct user_regs_struct registers;
	const Elf64_Sym *symbol;
	struct elf_file file;
	uint64_t cell = 0;

	if (elf_open(proc_path(process->pid, "exe").text, &file) < 0)
		return 0;
	symbol = elf_symbol(&file, "__environ", ELF_OBJECT);
	if (!symbol)
		symbol = elf_symbol(&file, "environ", ELF_OBJECT);
	if (symbol)
		cell = process->bias + symbol->st_value;
	else if (tracee_get_registers(tracee, &registers))
		cell = search_environ(process, &file, registers.rdx);
	elf_close(&file);
	return cell;
}

static struct arrival hit_main(struct run *run, struct tracee *tracee, const struct breakpoint *breakpoint)
{
	snprintf(run->trigger, sizeof(run->trigger), "breakpoint at main (0x%" PRIx64 ")",
	         breakpoint->address);
	return (struct arrival){
	        .point = breakpoint->point, .resume_main = true, .environ_cell = static_environ(tracee)};
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
