#include "format/base/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bytes [offset, offset + size) of the file, aligned for a record of it; NULL if they don't exist. */
static const void *range(const struct elf_file *file, uint64_t offset, uint64_t size)
{
	if (offset > file->size || size > file->size - offset || offset % alignof(Elf64_Sym) != 0)
		return NULL;
	return file->bytes + offset;
}

static int check_header(struct elf_file *file)
{
	const Elf64_Ehdr *header = range(file, 0, sizeof(*header));

	if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64 ||
	    header->e_phentsize != sizeof(Elf64_Phdr))
		return -1;
	file->header = header;
	file->segments = range(file, header->e_phoff, (uint64_t)header->e_phnum * sizeof(Elf64_Phdr));
	return file->segments ? 0 : -1;
}

int elf_map(int descriptor, struct elf_file *ret_file)
{
	struct elf_file file = {0};
	struct stat status;
	void *bytes = MAP_FAILED;

	if (fstat(descriptor, &status) == 0) {
		file.size = (size_t)status.st_size;
		errno = ENOEXEC; /* for what is no regular file with contents */
		if (S_ISREG(status.st_mode) && file.size > 0)
			bytes = mmap(NULL, file.size, PROT_READ, MAP_PRIVATE, descriptor, 0);
	}
	if (bytes == MAP_FAILED)
		return -1;
	file.bytes = bytes;
	if (check_header(&file) < 0) {
		elf_close(&file);
		errno = ENOEXEC;
		return -1;
	}
	*ret_file = file;
	return 0;
}

int elf_open(const char *path, struct elf_file *ret_file)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int result, error;

	if (descriptor < 0)
		return -1;
	result = elf_map(descriptor, ret_file);
	error = errno;
	close(descriptor);
	errno = error;
	return result;
}

void elf_close(struct elf_file *file)
{
	void *bytes;

	memcpy(&bytes, &file->bytes, sizeof(bytes)); /* munmap takes no const */
	if (bytes)
		munmap(bytes, file->size);
	*file = (struct elf_file){0};
}

const Elf64_Phdr *elf_segment(const struct elf_file *file, uint32_t type)
{
	for (size_t i = 0; i < file->header->e_phnum; i++)
		if (file->segments[i].p_type == type)
			return &file->segments[i];
	return NULL;
}

bool elf_covers(const struct elf_file *file, uint64_t address)
{
	for (size_t i = 0; i < file->header->e_phnum; i++) {
		const Elf64_Phdr *segment = &file->segments[i];

		if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
		    address - segment->p_vaddr < segment->p_memsz)
			return true;
	}
	return false;
}

static bool is_wanted(const Elf64_Sym *symbol, enum elf_wanted wanted)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	if ((symbol->st_shndx == SHN_UNDEF) != (wanted == ELF_IMPORT) || symbol->st_shndx == SHN_ABS)
		return false;
	if (wanted == ELF_OBJECT)
		return type == STT_OBJECT || type == STT_NOTYPE;
	return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

/* "malloc@@GLIBC_2.2.5" of a .symtab is malloc. */
static bool same_name(const char *symbol, size_t limit, const char *name)
{
	size_t length = strlen(name);

	return length < limit && strncmp(symbol, name, length) == 0 &&
	       (symbol[length] == '\0' || symbol[length] == '@');
}

static const Elf64_Sym *search_table(const struct elf_file *file, const Elf64_Shdr *table,
                                     const Elf64_Shdr *names, const char *name, enum elf_wanted wanted)
{
	const Elf64_Sym *symbols = range(file, table->sh_offset, table->sh_size);
	const Elf64_Sym *found = NULL;

	if (!symbols || names->sh_offset > file->size || names->sh_size > file->size - names->sh_offset)
		return NULL;
	for (uint64_t i = 0; i < table->sh_size / sizeof(*symbols); i++) {
		const Elf64_Sym *symbol = &symbols[i];
		const char *text = (const char *)file->bytes + names->sh_offset + symbol->st_name;

		if (symbol->st_name >= names->sh_size || !is_wanted(symbol, wanted) ||
		    !same_name(text, names->sh_size - symbol->st_name, name))
			continue;
		if (ELF64_ST_BIND(symbol->st_info) != STB_LOCAL)
			return symbol;
		if (!found)
			found = symbol;
	}
	return found;
}

/* header->e_shnum of them, or NULL. */
static const Elf64_Shdr *sections_of(const struct elf_file *file)
{
	const Elf64_Ehdr *header = file->header;

	if (header->e_shentsize != sizeof(Elf64_Shdr))
		return NULL;
	return range(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof(Elf64_Shdr));
}

const Elf64_Shdr *elf_section(const struct elf_file *file, const char *name)
{
	const Elf64_Shdr *sections = sections_of(file), *names;
	size_t length = strlen(name) + 1;

	if (!sections || file->header->e_shstrndx >= file->header->e_shnum)
		return NULL;
	names = &sections[file->header->e_shstrndx];
	if (names->sh_offset > file->size || names->sh_size > file->size - names->sh_offset)
		return NULL;
	for (size_t i = 0; i < file->header->e_shnum; i++)
		if (sections[i].sh_name + length <= names->sh_size &&
		    memcmp(file->bytes + names->sh_offset + sections[i].sh_name, name, length) == 0)
			return &sections[i];
	return NULL;
}

static const Elf64_Sym *search_sections(const struct elf_file *file, uint32_t type, const char *name,
                                        enum elf_wanted wanted)
{
	const Elf64_Ehdr *header = file->header;
	const Elf64_Shdr *sections = sections_of(file);

	if (!sections)
		return NULL;
	for (size_t i = 0; i < header->e_shnum; i++) {
		const Elf64_Sym *symbol;

		if (sections[i].sh_type != type || sections[i].sh_link >= header->e_shnum)
			continue;
		symbol = search_table(file, &sections[i], &sections[sections[i].sh_link], name, wanted);
		if (symbol)
			return symbol;
	}
	return NULL;
}

const Elf64_Sym *elf_symbol(const struct elf_file *file, const char *name, enum elf_wanted wanted)
{
	const Elf64_Sym *symbol = search_sections(file, SHT_SYMTAB, name, wanted);

	return symbol ? symbol : search_sections(file, SHT_DYNSYM, name, wanted);
}
