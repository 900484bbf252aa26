#include "tracer/capture/process/resume_blocks.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/array.h"
#include "preload/contract.h"
#include "tracer/capture/refuse.h"
#include "tracer/ptrace/memory.h"

static_assert(sizeof(struct snap_resume) == (int)SNAPIMG_RESUME_SIZE, "the format's idea of a resume block");

static_assert(SNAP_MAPPED_VERSION == (int)SNAPIMG_SHIM_VERSION, "the format's idea of the shim's table");

enum { SECTIONS_MAX = 65536, NAMES_MAX = 16 << 20, PROGRAM_HEADERS_MAX = 256 };

enum status fixups_add(struct fixups *fixups, struct snapimg_fixup record)
{
	struct snapimg_fixup *added = array_add(fixups->record, fixups->count);

	if (!added)
		return fail(STATUS_FAILED, "out of memory");
	*added = record;
	return STATUS_OK;
}

void fixups_free(struct fixups *fixups)
{
	free(fixups->record);
	*fixups = (struct fixups){0};
}

static void free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

/* A part of the file in new memory, or NULL. */
static void *load(int fd, uint64_t offset, size_t size)
{
	void *bytes = size ? malloc(size) : NULL;

	if (bytes && pread(fd, bytes, size, (off_t)offset) != (ssize_t)size) {
		free(bytes);
		bytes = NULL;
	}
	return bytes;
}

static bool is_elf(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       (header->e_type == ET_EXEC || header->e_type == ET_DYN);
}

/* What the file's addresses are shifted by: its first byte lies in the first PT_LOAD. */
static bool find_bias(int fd, const Elf64_Ehdr *header, struct loaded_file *loaded, uint64_t *ret_bias)
{
	size_t count = header->e_phnum < PROGRAM_HEADERS_MAX ? header->e_phnum : PROGRAM_HEADERS_MAX;
	Elf64_Phdr *segment CLEANUP(free_pointer) = load(fd, header->e_phoff, count * sizeof(*segment));
	bool found = false;

	for (size_t i = 0; segment && i < count; i++) {
		if (segment[i].p_type != PT_LOAD)
			continue;
		if (!found && segment[i].p_offset >= SNAPIMG_PAGE_SIZE)
			return false;
		if (!found)
			*ret_bias = loaded->start + segment[i].p_offset - segment[i].p_vaddr;
		found = true;
		loaded->end =
		        *ret_bias + segment[i].p_vaddr + segment[i].p_memsz; /* they are sorted (gABI) */
	}
	return found;
}

static bool find_section(int fd, const Elf64_Ehdr *header, const char *wanted, Elf64_Shdr *ret_section)
{
	size_t count = header->e_shnum;

	if (count == 0 || header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shstrndx >= count)
		return false;
	Elf64_Shdr *section CLEANUP(free_pointer) = load(fd, header->e_shoff, count * sizeof(*section));
	if (!section)
		return false;
	const Elf64_Shdr *strings = &section[header->e_shstrndx];
	if (strings->sh_size > NAMES_MAX)
		return false;
	char *names CLEANUP(free_pointer) = load(fd, strings->sh_offset, strings->sh_size);
	size_t length = strlen(wanted) + 1;
	for (size_t i = 0; names && i < count; i++) {
		if (section[i].sh_name + length <= strings->sh_size &&
		    memcmp(names + section[i].sh_name, wanted, length) == 0) {
			*ret_section = section[i];
			return true;
		}
	}
	return false;
}

static enum status check_blocks(pid_t pid, const struct loaded_file *loaded, uint64_t address, uint64_t size)
{
	if (size == 0 || size % sizeof(struct snap_resume) != 0 || size > UINT32_MAX)
		return refuse("a damaged section \"" SNAP_RESUME_SECTION "\"",
		              "build it with the snap.h of this snaptrace", "%s", loaded->file->path);
	for (uint64_t at = 0; at < size; at += sizeof(struct snap_resume)) {
		uint32_t version;
		if (tracee_read(pid, address + at, &version, sizeof(version)) < 0)
			return fail(STATUS_FAILED,
			            "can't read the program's memory: 0x%" PRIx64 " of process %d: %s",
			            address + at, pid, strerror(errno));
		if (version != SNAP_CONTRACT_VERSION)
			return refuse("another version of snap.h",
			              "build it with the snap.h of this snaptrace",
			              "%s has version %u, not %d", loaded->file->path, version,
			              SNAP_CONTRACT_VERSION);
	}
	return STATUS_OK;
}

enum status fixups_add_resume_blocks(struct fixups *fixups, pid_t pid, struct loaded_file *loaded)
{
	int fd = loaded->file->fd;
	Elf64_Ehdr header;
	Elf64_Shdr section;
	uint64_t bias = 0;
	enum status status;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) || !is_elf(&header) ||
	    !find_bias(fd, &header, loaded, &bias) ||
	    !find_section(fd, &header, SNAP_RESUME_SECTION, &section))
		return STATUS_OK;
	uint64_t address = bias + section.sh_addr;
	if ((status = check_blocks(pid, loaded, address, section.sh_size)) != STATUS_OK)
		return status;
	return fixups_add(fixups, (struct snapimg_fixup){.address = address,
	                                                 .kind = SNAPIMG_FIXUP_RESUME,
	                                                 .argument = (uint32_t)section.sh_size});
}

void fixups_find_shim_table(pid_t pid, const struct loaded_file *shim, struct snapimg_shim *ret_record)
{
	struct loaded_file loaded = *shim;
	struct snap_mapped table;
	Elf64_Ehdr header;
	Elf64_Shdr section;
	uint64_t bias = 0;

	if (loaded.file->fd < 0 ||
	    pread(loaded.file->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    !is_elf(&header) || !find_bias(loaded.file->fd, &header, &loaded, &bias) ||
	    !find_section(loaded.file->fd, &header, SNAP_MAPPED_SECTION, &section) ||
	    section.sh_size != sizeof(table) ||
	    tracee_read(pid, bias + section.sh_addr, &table, sizeof(table)) < 0 || !table.glibc)
		return;
	*ret_record = (struct snapimg_shim){
	        .address = bias + section.sh_addr, .size = sizeof(table), .version = table.version};
}

/* musl (since 1.1.20): fs points at struct pthread, which begins with a pointer to itself (its
 * src/internal/pthread_impl.h). */
enum { MUSL_TID = 48 };

/*
 * glibc's struct pthread, at fs, with a pointer to itself third (tcbhead_t of sysdeps/x86_64/nptl/tls.h).
 * Since 2.42 the kernel is told another word of it, so the ID is looked for: it was at the same place in all
 * of 2.31 to 2.43, which decides where a small one is found twice. Where it is at none, what keeps the ID is
 * found with all else that does (tracer/capture/identity/).
 */
enum { GLIBC_SELF = 16, GLIBC_TID = 0x2d0, GLIBC_STRUCTURE = 0x900 };

static uint64_t find_in_structure(pid_t pid, uint64_t base, uint32_t tid)
{
	uint32_t words[GLIBC_STRUCTURE / sizeof(tid)];
	uint64_t self, found = 0;
	size_t count = 0;

	if (!base || tracee_read(pid, base, words, sizeof(words)) < 0)
		return 0;
	memcpy(&self, (const char *)words + GLIBC_SELF, sizeof(self));
	if (self != base)
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (words[i] != tid)
			continue;
		found = base + i * sizeof(tid);
		count++;
		if (i * sizeof(tid) == GLIBC_TID)
			return found;
	}
	return count == 1 ? found : 0;
}

enum status fixups_add_thread_id(struct fixups *fixups, pid_t pid, const struct snapimg_thread *thread,
                                 uint32_t index)
{
	struct snapimg_fixup record = {.kind = SNAPIMG_FIXUP_TID, .argument = index};
	uint64_t self = 0;
	uint32_t tid = 0;

	/* glibc before 2.42: set_tid_address(&pd->tid), nptl/pthread_create.c and
	 * sysdeps/nptl/dl-tls_init_tp.c. */
	if (thread->tid_address && tracee_read(pid, thread->tid_address, &tid, sizeof(tid)) == 0 &&
	    tid == thread->tid) {
		record.address = thread->tid_address;
		return fixups_add(fixups, record);
	}
	uint64_t base = thread->registers.fs_base;
	if (base && tracee_read(pid, base, &self, sizeof(self)) == 0 && self == base &&
	    tracee_read(pid, base + MUSL_TID, &tid, sizeof(tid)) == 0 && tid == thread->tid) {
		record.address = base + MUSL_TID;
		return fixups_add(fixups, record);
	}
	record.address = find_in_structure(pid, base, thread->tid);
	return record.address ? fixups_add(fixups, record) : STATUS_OK;
}
