/* Where a program's own entry code says that main is. */
#ifndef TRACER_POINTS_ENTRY_CODE_X86_64_H
#define TRACER_POINTS_ENTRY_CODE_X86_64_H

#include <stdbool.h>
#include <stdint.h>

#include "format/base/elf.h"

/* The address of main as the file has it: what _start of glibc, or what it calls in musl, passes to
 * __libc_start_main as its first argument. 0 where the entry is none of these: the program is not C. */
uint64_t entry_find_main(const struct elf_file *file);

/* Whether the executable has constructors beside those that the compiler gives to every program. */
bool entry_has_constructors(const struct elf_file *file);

#endif
