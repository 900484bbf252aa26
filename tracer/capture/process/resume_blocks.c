#include "tracer/capture/process/resume_blocks.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/base/array.h"
#include "format/base/elf.h"
#include "preload/contract.h"
#include "tracer/capture/refuse.h"
#include "tracer/ptrace/memory.h"

static_assert(sizeof(struct snap_resume) == (int)SNAPIMG_RESUME_SIZE, "the format's idea of a resume block");

static_assert(SNAP_MAPPED_VERSION == (int)SNAPIMG_SHIM_VERSION, "the format's idea of the shim's table");

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

/* What the file's addresses are shifted by: its first byte lies in the first PT_LOAD. */
static bool find_bias(const struct elf_file *file, struct loaded_file *loaded, uint64_t *ret_bias)
{
	bool found = false;

	for (size_t i = 0; i < file->header->e_phnum; i++) {
		const Elf64_Phdr *segment = &file->segments[i];

		if (segment->p_type != PT_LOAD)
			continue;
		if (!found && segment->p_offset >= SNAPIMG_PAGE_SIZE)
			return false;
		if (!found)
			*ret_bias = loaded->start + segment->p_offset - segment->p_vaddr;
		found = true;
		loaded->end = *ret_bias + segment->p_vaddr + segment->p_memsz; /* they are sorted (gABI) */
	}
	return found;
}

/* Where a section of a loaded file lies in the process; false where it has none. */
static bool find_section(struct loaded_file *loaded, const char *name, uint64_t *ret_address,
                         uint64_t *ret_size)
{
	const Elf64_Shdr *section = NULL;
	struct elf_file file;
	uint64_t bias = 0;

	if (loaded->file->fd < 0 || elf_map(loaded->file->fd, &file) < 0)
		return false;
	bool is_loadable = file.header->e_type == ET_EXEC || file.header->e_type == ET_DYN;
	if (is_loadable && find_bias(&file, loaded, &bias) && (section = elf_section(&file, name))) {
		*ret_address = bias + section->sh_addr;
		*ret_size = section->sh_size;
	}
	elf_close(&file);
	return section != NULL;
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
	uint64_t address, size;
	enum status status;

	if (!find_section(loaded, SNAP_RESUME_SECTION, &address, &size))
		return STATUS_OK;
	if ((status = check_blocks(pid, loaded, address, size)) != STATUS_OK)
		return status;
	return fixups_add(fixups, (struct snapimg_fixup){.address = address,
	                                                 .kind = SNAPIMG_FIXUP_RESUME,
	                                                 .argument = (uint32_t)size});
}

void fixups_find_shim_table(pid_t pid, const struct loaded_file *shim, struct snapimg_shim *ret_record)
{
	struct loaded_file loaded = *shim;
	struct snap_mapped table;
	uint64_t address, size;

	if (find_section(&loaded, SNAP_MAPPED_SECTION, &address, &size) && size == sizeof(table) &&
	    tracee_read(pid, address, &table, sizeof(table)) == 0 && table.glibc)
		*ret_record = (struct snapimg_shim){
		        .address = address, .size = sizeof(table), .version = table.version};
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
