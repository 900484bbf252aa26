#include "format/convert/core_notes.h"

#include <assert.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include "format/base/array.h"

static const char of_core[] = "CORE", of_linux[] = "LINUX";

enum { NOTE_ALIGNMENT = 4, FPU_SIZE = sizeof(struct user_fpregs_struct), XCR0_AT = 464 /* sw_reserved */ };

/* Bits of XCR0 (Intel SDM, 13.3). An image has those that the program used; the processor has them in sets.
 */
enum { XCR0_ALWAYS = 3 /* x87 and SSE */, XCR0_AVX = 4, XCR0_AVX512 = 0xe0 };

static uint64_t whole_sets(uint64_t features)
{
	return features | XCR0_ALWAYS | (features & XCR0_AVX512 ? (uint64_t)(XCR0_AVX | XCR0_AVX512) : 0);
}

static enum snapimg_error put(struct notes *notes, const void *bytes, size_t size)
{
	uint8_t *items = array_reserve(notes->bytes, notes->size, size, &notes->room, 1);

	if (items == NULL)
		return SNAPIMG_ERR_MEMORY;
	notes->bytes = items;
	if (size > 0)
		memcpy(items + notes->size, bytes, size);
	notes->size += size;
	return SNAPIMG_OK;
}

static enum snapimg_error pad(struct notes *notes)
{
	static const uint8_t zeros[NOTE_ALIGNMENT];

	return put(notes, zeros, -notes->size % NOTE_ALIGNMENT);
}

static enum snapimg_error put_note(struct notes *notes, const char *owner, uint32_t type, const void *bytes,
                                   size_t size)
{
	const Elf64_Nhdr header = {
	        .n_namesz = (uint32_t)strlen(owner) + 1, .n_descsz = (uint32_t)size, .n_type = type};
	enum snapimg_error error;

	if ((error = put(notes, &header, sizeof(header))) || (error = put(notes, owner, header.n_namesz)) ||
	    (error = pad(notes)) || (error = put(notes, bytes, size)))
		return error;
	return pad(notes);
}

static enum snapimg_error put_status(const struct snapimg *image, const struct snapimg_thread *thread,
                                     struct notes *notes)
{
	struct elf_prstatus status = {.pr_pid = (pid_t)thread->tid,
	                              .pr_pgrp = (pid_t)snapimg_get_process(image)->pid,
	                              .pr_sid = (pid_t)snapimg_get_process(image)->pid,
	                              .pr_sighold = thread->signal_mask,
	                              .pr_fpvalid = 1};
	struct user_regs_struct registers = {0};

#define X(name) registers.name = thread->registers.name;
	SNAPIMG_REGISTERS(X)
#undef X
	static_assert(sizeof(status.pr_reg) == sizeof(registers), "the same, as a plain array");
	memcpy(&status.pr_reg, &registers, sizeof(registers));
	return put_note(notes, of_core, NT_PRSTATUS, &status, sizeof(status));
}

/* GDB takes what is in the area from the kernel's word on it (i387-tdep, "xcr0"), which no image has. */
static enum snapimg_error put_extended(const struct snapimg *image, const struct snapimg_thread *thread,
                                       struct notes *notes)
{
	const struct snapimg_machine *machine = snapimg_get_machine(image);
	const uint8_t *state = (const uint8_t *)image->section[SNAPIMG_SECTION_XSTATE].bytes;
	const uint64_t features = whole_sets(machine->xfeatures);
	uint8_t *copy = malloc(machine->xstate_size);
	enum snapimg_error error;

	if (copy == NULL)
		return SNAPIMG_ERR_MEMORY;
	memcpy(copy, state + thread->xstate_offset, machine->xstate_size);
	memcpy(copy + XCR0_AT, &features, sizeof(features));
	error = put_note(notes, of_core, NT_FPREGSET, copy, FPU_SIZE);
	if (error == SNAPIMG_OK)
		error = put_note(notes, of_linux, NT_X86_XSTATE, copy, machine->xstate_size);
	free(copy);
	return error;
}

/* Words between blanks, as far as there is room (fill_psinfo() of fs/binfmt_elf.c). */
static void join_words(const struct snapimg_view *words, char *text, size_t size)
{
	size_t length = words->size < size - 1 ? (size_t)words->size : size - 1;
	size_t i;

	memcpy(text, words->bytes, length);
	for (i = 0; i < length; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	text[length] = '\0';
}

static enum snapimg_error put_process(const struct snapimg *image, struct notes *notes)
{
	const struct snapimg_process *process = snapimg_get_process(image);
	struct elf_prpsinfo info = {.pr_sname = 'S',
	                            .pr_state = 1,
	                            .pr_pid = (pid_t)process->pid,
	                            .pr_pgrp = (pid_t)process->pid,
	                            .pr_sid = (pid_t)process->pid};

	static_assert(sizeof(info.pr_fname) == SNAPIMG_COMM_SIZE, "TASK_COMM_LEN");
	memcpy(info.pr_fname, snapimg_get_thread(image)->comm, SNAPIMG_COMM_SIZE);
	join_words(&image->section[SNAPIMG_SECTION_ARGUMENTS], info.pr_psargs, sizeof(info.pr_psargs));
	return put_note(notes, of_core, NT_PRPSINFO, &info, sizeof(info));
}

static enum snapimg_error put_auxiliary(const struct snapimg *image, struct notes *notes)
{
	static const struct snapimg_auxv end;
	const struct snapimg_view *view = &image->section[SNAPIMG_SECTION_AUXV];
	struct notes vector = {0};
	enum snapimg_error error = put(&vector, view->bytes, view->size);

	if (error == SNAPIMG_OK)
		error = put(&vector, &end, sizeof(end));
	if (error == SNAPIMG_OK)
		error = put_note(notes, of_core, NT_AUXV, vector.bytes, vector.size);
	free(vector.bytes);
	return error;
}

/* Numbers of all, then names of all (fill_files_note() of fs/binfmt_elf.c); offsets count pages. */
static enum snapimg_error put_files(const struct snapimg *image, struct notes *notes)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	struct notes numbers = {0}, names = {0};
	uint64_t head[2] = {0, SNAPIMG_PAGE_SIZE};
	enum snapimg_error error = put(&numbers, head, sizeof(head));
	uint32_t i;

	for (i = 0; i < snapimg_mapping_count(image) && error == SNAPIMG_OK; i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_FILE)
			continue;
		const uint64_t place[3] = {mapping[i].start, mapping[i].end,
		                           mapping[i].offset / SNAPIMG_PAGE_SIZE};
		const char *name = snapimg_string(image, snapimg_get_file(image)[mapping[i].file - 1].path);

		error = put(&numbers, place, sizeof(place));
		if (error == SNAPIMG_OK)
			error = put(&names, name, strlen(name) + 1);
		head[0]++;
	}
	if (error == SNAPIMG_OK) {
		memcpy(numbers.bytes, head, sizeof(head));
		error = put(&numbers, names.bytes, names.size);
	}
	if (error == SNAPIMG_OK)
		error = put_note(notes, of_core, NT_FILE, numbers.bytes, numbers.size);
	free(numbers.bytes);
	free(names.bytes);
	return error;
}

enum snapimg_error notes_write(const struct snapimg *image, struct notes *notes)
{
	const struct snapimg_thread *thread = snapimg_get_thread(image);
	enum snapimg_error error;
	uint32_t i;

	if ((error = put_status(image, thread, notes)) || (error = put_process(image, notes)) ||
	    (error = put_auxiliary(image, notes)) || (error = put_files(image, notes)) ||
	    (error = put_extended(image, thread, notes)))
		return error;
	for (i = 1; i < snapimg_thread_count(image); i++)
		if ((error = put_status(image, &thread[i], notes)) ||
		    (error = put_extended(image, &thread[i], notes)))
			return error;
	return SNAPIMG_OK;
}
