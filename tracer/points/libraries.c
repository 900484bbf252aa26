#include "tracer/points/libraries.h"

#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/base/proc.h"
#include "tracer/ptrace/memory.h"

enum { LIBRARIES_MAX = 100000, DYNAMIC_MAX = 4096 };

/* The value of a tag in the dynamic section that lies at an address; 0: none. */
static uint64_t dynamic_value(pid_t pid, uint64_t address, int64_t tag)
{
	Elf64_Dyn entry;

	for (unsigned i = 0; i < DYNAMIC_MAX; i++) {
		if (tracee_read(pid, address + i * sizeof(entry), &entry, sizeof(entry)) < 0 ||
		    entry.d_tag == DT_NULL)
			return 0;
		if (entry.d_tag == tag)
			return entry.d_un.d_val;
	}
	return 0;
}

static bool read_debug(const struct process *process, struct r_debug *ret_debug)
{
	const Elf64_Phdr *dynamic;
	struct elf_file executable;
	uint64_t address = 0;

	if (elf_open(proc_path(process->pid, "exe").text, &executable) < 0)
		return false;
	if ((dynamic = elf_segment(&executable, PT_DYNAMIC)))
		address = dynamic_value(process->pid, process->bias + dynamic->p_vaddr, DT_DEBUG);
	elf_close(&executable);
	return address && tracee_read(process->pid, address, ret_debug, sizeof(*ret_debug)) == 0;
}

/* The file that is mapped at an address, seen from outside of the process's root directory. l_name won't
 * do: it can be relative to where the process was. Returns its path without that prefix, or NULL. */
static const char *file_at(pid_t pid, uint64_t address, char *path, size_t size)
{
	size_t prefix = (size_t)snprintf(path, size, "%s", proc_path(pid, "root").text);
	bool executable;

	if (tracee_mapping(pid, address, &executable, path + prefix, size - prefix) < 0 || !path[prefix])
		return NULL;
	return path + prefix;
}

static bool visit_file(const struct process *process, const struct link_map *map, library_visitor *visit,
                       void *context)
{
	struct elf_file file;
	char path[PATH_MAX + 64], linked[PATH_MAX];
	const char *name = file_at(process->pid, (uint64_t)(uintptr_t)map->l_ld, path, sizeof(path));
	bool done;

	if (!name || elf_open(path, &file) < 0)
		return false; /* the vdso; a file deleted since */
	if (tracee_read_string(process->pid, (uint64_t)(uintptr_t)map->l_name, linked, sizeof(linked)) < 0)
		linked[0] = '\0';
	done = visit(context, name, linked, map->l_addr, &file);
	elf_close(&file);
	return done;
}

bool libraries_walk(const struct process *process, library_visitor *visit, void *context)
{
	struct r_debug debug;
	struct link_map map;
	unsigned count = 0;

	if (!read_debug(process, &debug))
		return false;
	for (uint64_t next = (uint64_t)(uintptr_t)debug.r_map; next && count < LIBRARIES_MAX; count++) {
		if (tracee_read(process->pid, next, &map, sizeof(map)) < 0)
			return false;
		if (visit_file(process, &map, visit, context))
			return true;
		next = (uint64_t)(uintptr_t)map.l_next;
	}
	return false;
}

uint64_t libraries_change_address(const struct process *process)
{
	struct r_debug debug;

	return read_debug(process, &debug) ? debug.r_brk : 0;
}
