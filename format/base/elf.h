/* What the tracer wants to know of an ELF64 file: where it is loaded, how it is linked, its sections, its
 * symbols. Every number of the file is checked before it is used. */
#ifndef FORMAT_BASE_ELF_H
#define FORMAT_BASE_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file {
	const uint8_t *bytes; /* the whole file, mapped read-only */
	size_t size;
	const Elf64_Ehdr *header;
	const Elf64_Phdr *segments; /* header->e_phnum of them */
};

/* Maps the file. Returns 0 with *ret_file to be closed by elf_close, or -1 with errno
 * (ENOEXEC: not a 64-bit x86-64 ELF file). */
int elf_open(const char *path, struct elf_file *ret_file) __attribute__((warn_unused_result));
/* The same of an open file, which stays the caller's. */
int elf_map(int descriptor, struct elf_file *ret_file) __attribute__((warn_unused_result));
void elf_close(struct elf_file *file);

/* The first segment of a type (PT_INTERP, PT_DYNAMIC, ...), or NULL. */
const Elf64_Phdr *elf_segment(const struct elf_file *file, uint32_t type);
/* The first section of a name, or NULL. */
const Elf64_Shdr *elf_section(const struct elf_file *file, const char *name);
/* Whether the address (as the file has it, without a bias) lies in a PT_LOAD segment. */
bool elf_covers(const struct elf_file *file, uint64_t address);

enum elf_wanted { ELF_CODE, ELF_OBJECT, ELF_IMPORT };

/*
 * Looks a symbol up by name, in .symtab and then in .dynsym; a global one wins over a local one.
 * ELF_CODE: functions, ifuncs and symbols without a type. ELF_IMPORT: one that is not defined, but wanted
 * from a library. Returns NULL when there is none; the symbol lies in the mapped file.
 */
const Elf64_Sym *elf_symbol(const struct elf_file *file, const char *name, enum elf_wanted wanted);

#endif
