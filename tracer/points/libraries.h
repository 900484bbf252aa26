/* The shared libraries of a running process, as its dynamic linker lists them for debuggers (struct r_debug
 * of <link.h>, found through DT_DEBUG; glibc and musl keep the same list). */
#ifndef TRACER_POINTS_LIBRARIES_H
#define TRACER_POINTS_LIBRARIES_H

#include <stdint.h>

#include "format/base/elf.h"
#include "tracer/ptrace/tracee.h"

/* Called for each listed file that could be opened, the executable first, in the linker's order of
 * look-up; returns true to end the walk. The linker found the file by the name linked, which may be a link's
 * (libc.so.6 is libc-2.31.so in Debian 11); "" where it is not known. */
typedef bool library_visitor(void *context, const char *path, const char *linked, uint64_t bias,
                             const struct elf_file *file);

/* Returns what the last call of visit returned; false when there is no list. */
bool libraries_walk(const struct process *process, library_visitor *visit, void *context);

/* The address at which the linker tells of a change of the list (r_brk), or 0. Known from the program's
 * entry on. */
uint64_t libraries_change_address(const struct process *process);

#endif
