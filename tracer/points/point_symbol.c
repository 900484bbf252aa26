/*
 * The points in code: `SYMBOL`, `FILE:SYMBOL`, both with `+OFFSET`, and
 * `0xADDRESS`. A symbol of the executable is known at exec. Any other is
 * looked for at the program's entry, when its libraries are loaded; and one of
 * a FILE that isn't loaded then, each time the dynamic linker tells of a change.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "tracer/points/libraries.h"
#include "tracer/points/point_symbol.h"
#include "tracer/ptrace/breakpoint.h"

static enum status parse_number(const struct point *point, const char *text, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text < '0' || *text > '9')
		return fail(STATUS_FAILED, "point %s: %s is no number: write it like 0x12af", point->text,
		            text);
	return STATUS_OK;
}

/* The strings live as long as the run. */
static enum status parse_symbol(struct point *point, const char *argument)
{
	const char *colon = strrchr(argument, ':');
	const char *symbol = colon ? colon + 1 : argument;
	size_t length = strcspn(symbol, "+");

	if (!colon && strncmp(argument, "0x", 2) == 0)
		return parse_number(point, argument, &point->offset);
	if (length == 0 || colon == argument)
		return fail(STATUS_FAILED, "point %s: not known: see snaptrace --help", point->text);
	if (symbol[length] == '+') {
		enum status status = parse_number(point, symbol + length + 1, &point->offset);

		if (status != STATUS_OK)
			return status;
	}
	if (colon && !(point->file = strndup(argument, (size_t)(colon - argument))))
		return fail(STATUS_FAILED, "out of memory");
	if (!(point->symbol = strndup(symbol, length)))
		return fail(STATUS_FAILED, "out of memory");
	return STATUS_OK;
}

/* FILE may leave out the end of a version: libz.so is libz.so.1.2.13 too. With a slash it's a whole path. */
static bool is_file(const char *file, const char *path)
{
	const char *base = base_name(path);
	size_t length = strlen(file);

	if (strchr(file, '/'))
		return strcmp(file, path) == 0;
	return strncmp(file, base, length) == 0 && (base[length] == '\0' || base[length] == '.');
}

struct search {
	const struct point *point;
	bool file_seen;          /* a file that FILE names */
	const Elf64_Sym *symbol; /* not to be dereferenced after the walk */
	bool indirect;
	uint64_t address;
};

static bool search_file(void *context, const char *path, const char *linked, uint64_t bias,
                        const struct elf_file *file)
{
	struct search *search = context;
	const struct point *point = search->point;

	if (point->file && !is_file(point->file, path) && !is_file(point->file, linked))
		return false;
	search->file_seen = true;
	if (!(search->symbol = elf_symbol(file, point->symbol, ELF_CODE)))
		return false;
	search->indirect = ELF64_ST_TYPE(search->symbol->st_info) == STT_GNU_IFUNC;
	search->address = bias + search->symbol->st_value + point->offset;
	return true;
}

static enum status plant_found(const struct search *search, struct process *process)
{
	if (search->indirect)
		return fail(STATUS_FAILED,
		            "point %s: an indirect function (STT_GNU_IFUNC): its code is chosen at run time: "
		            "name the chosen one, such as a symbol that ends in _avx2",
		            search->point->text);
	return breakpoint_plant(process, BREAKPOINT_POINT, search->address, search->point);
}

static enum status arm_address(const struct point *point, struct process *process,
                               const struct elf_file *executable)
{
	uint64_t bias = elf_covers(executable, point->offset) ? process->bias : 0;

	return breakpoint_plant(process, BREAKPOINT_POINT, bias + point->offset, point);
}

static enum status unknown_symbol(const struct point *point)
{
	if (point->file)
		return fail(STATUS_FAILED, "point %s: unknown symbol: %s is not in %s", point->text,
		            point->symbol, point->file);
	return fail(STATUS_FAILED,
	            "point %s: unknown symbol: neither in the program nor in its libraries (nm shows them): "
	            "for a library that is loaded later write FILE:SYMBOL",
	            point->text);
}

/* One of several programs may have the symbol; the one that was asked for must. */
static enum status must_have(const struct run *run, const struct process *process, const struct point *point)
{
	return process->pid == run->root || run->options->in ? unknown_symbol(point) : STATUS_OK;
}

static enum status arm(struct run *run, struct tracee *tracee, const struct point *point,
                       const struct elf_file *executable)
{
	struct process *process = tracee->process;
	struct search search = {.point = point};
	char name[PATH_MAX];

	if (!point->symbol)
		return arm_address(point, process, executable);
	if (proc_read_link(proc_path(process->pid, "exe"), name, sizeof(name)) != STATUS_OK)
		return STATUS_FAILED;
	if (search_file(&search, name, "", process->bias, executable))
		return plant_found(&search, process);
	if (search.file_seen && point->file)
		return unknown_symbol(point);
	if (!elf_segment(executable, PT_INTERP))
		return must_have(run, process, point);
	process->searched |= 1u << point->index;
	return breakpoint_plant(process, BREAKPOINT_ENTRY, process->entry, NULL);
}

/* Looks for one point's symbol in the libraries. It is searched no longer when it was found, or can't be. */
static enum status search_one(struct run *run, struct process *process, const struct point *point)
{
	struct search search = {.point = point};

	if (libraries_walk(process, search_file, &search)) {
		process->searched &= ~(1u << point->index);
		return plant_found(&search, process);
	}
	if (search.file_seen && point->file)
		return unknown_symbol(point);
	if (point->file)
		return STATUS_OK; /* it may be loaded later */
	process->searched &= ~(1u << point->index);
	return must_have(run, process, point);
}

/* Several points may be looked for; the breakpoint that stopped us for that is needed as long as one is. */
enum status point_symbol_search(struct run *run, struct process *process, struct breakpoint *breakpoint)
{
	enum status status;
	uint64_t change;

	for (unsigned i = 0; i < run->points.count; i++)
		if ((process->searched & 1u << i) &&
		    (status = search_one(run, process, &run->points.point[i])) != STATUS_OK)
			return status;
	if (process->searched && breakpoint->use == BREAKPOINT_LOADED)
		return STATUS_OK;
	if ((status = breakpoint_take_out(process, breakpoint)) != STATUS_OK || !process->searched)
		return status;
	if (!(change = libraries_change_address(process)))
		return fail(STATUS_FAILED,
		            "a FILE of the points is not loaded and process %d has no list of libraries",
		            process->pid);
	return breakpoint_plant(process, BREAKPOINT_LOADED, change, NULL);
}

/* At a process that runs already: libraries are loaded, as far as they are. */
enum status point_symbol_attach(struct run *run, struct process *process)
{
	struct breakpoint none = {.use = BREAKPOINT_SPENT};

	return process->searched ? point_symbol_search(run, process, &none) : STATUS_OK;
}

static struct arrival hit(struct run *run, struct tracee *tracee, const struct breakpoint *breakpoint)
{
	const struct point *point = breakpoint->point;

	(void)tracee;
	if (point->symbol)
		snprintf(run->trigger, sizeof(run->trigger),
		         "breakpoint at %.150s+0x%" PRIx64 " (0x%" PRIx64 ")", point->symbol, point->offset,
		         breakpoint->address);
	else
		snprintf(run->trigger, sizeof(run->trigger), "breakpoint at 0x%" PRIx64, breakpoint->address);
	return (struct arrival){.point = point};
}

const struct point_kind point_symbol = {
        .form = "[FILE:]SYMBOL[+OFFSET], 0xADDRESS",
        .help = "before this instruction",
        .parse = parse_symbol,
        .arm = arm,
        .hit = hit,
        .hint = "that code did not run, or its file was never loaded",
};
