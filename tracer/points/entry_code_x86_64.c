#include "tracer/points/entry_code_x86_64.h"

#include <stddef.h>
#include <string.h>

enum {
	CODE_MAX = 96,    /* _start has about 40 bytes, _start_c of musl about 60 */
	CALL_WITHIN = 24, /* from main's address on: a few registers are set in between */
};

/* The bytes of a segment from an address on, up to CODE_MAX; NULL: there are none. */
static const uint8_t *bytes_at(const struct elf_file *file, uint32_t flags, uint64_t address,
                               size_t *ret_size)
{
	for (unsigned i = 0; i < file->header->e_phnum; i++) {
		const Elf64_Phdr *segment = &file->segments[i];
		uint64_t inside = address - segment->p_vaddr;

		if (segment->p_type != PT_LOAD || (segment->p_flags & flags) != flags ||
		    address < segment->p_vaddr || inside >= segment->p_filesz ||
		    segment->p_offset > file->size || segment->p_filesz > file->size - segment->p_offset)
			continue;
		*ret_size = segment->p_filesz - inside < CODE_MAX ? segment->p_filesz - inside : CODE_MAX;
		return file->bytes + segment->p_offset + inside;
	}
	return NULL;
}

static const uint8_t *code_at(const struct elf_file *file, uint64_t address, size_t *ret_size)
{
	return bytes_at(file, PF_X, address, ret_size);
}

static int32_t word_at(const uint8_t *code)
{
	int32_t word;

	memcpy(&word, code, sizeof(word));
	return word;
}

/* call rel32, with a prefix or without, or jmp rel32: the address it leads to; or 0. call *rel32(%rip), by
 * which a C library is called through its own table, leads anywhere: 1. */
static uint64_t call_at(const uint8_t *code, size_t size, uint64_t address)
{
	size_t prefix = size > 0 && code[0] == 0x67;

	if (size >= 6 && code[0] == 0xff && code[1] == 0x15)
		return 1;
	if (size < prefix + 5 || (code[prefix] != 0xe8 && code[prefix] != 0xe9))
		return 0;
	return address + prefix + 5 + (uint64_t)(int64_t)word_at(code + prefix + 1);
}

static uint64_t first_call(const uint8_t *code, size_t size, uint64_t address)
{
	uint64_t target;

	for (size_t at = 0; at < size; at++)
		if ((target = call_at(code + at, size - at, address + at)))
			return target;
	return 0;
}

/* What is put into rdi just before a call, if that is code. */
static uint64_t main_in(const struct elf_file *file, uint64_t address, const uint8_t *code, size_t size)
{
	static const struct {
		uint8_t bytes[3];
		uint8_t length;
		bool relative;
	} loads[] = {
	        {{0x48, 0xc7, 0xc7}, 3, false}, /* mov $main, %rdi */
	        {{0x48, 0x8d, 0x3d}, 3, true},  /* lea main(%rip), %rdi */
	        {{0xbf}, 1, false},             /* mov $main, %edi */
	};

	for (size_t at = 0; at < size; at++)
		for (size_t i = 0; i < sizeof(loads) / sizeof(*loads); i++) {
			size_t end = at + loads[i].length + sizeof(int32_t), room, left;

			if (end > size || memcmp(code + at, loads[i].bytes, loads[i].length) != 0)
				continue;
			uint64_t found = (uint64_t)(int64_t)word_at(code + at + loads[i].length) +
			                 (loads[i].relative ? address + end : 0);
			left = size - end < CALL_WITHIN ? size - end : CALL_WITHIN;
			if (code_at(file, found, &room) && first_call(code + end, left, address + end))
				return found;
		}
	return 0;
}

uint64_t entry_find_main(const struct elf_file *file)
{
	uint64_t entry = file->header->e_entry, next, found;
	size_t size;
	const uint8_t *code = code_at(file, entry, &size);

	if (!code)
		return 0;
	if ((found = main_in(file, entry, code, size)))
		return found;
	next = first_call(code, size, entry);
	code = code_at(file, next, &size);
	return code ? main_in(file, next, code, size) : 0;
}

static uint64_t dynamic_value(const struct elf_file *file, int64_t tag)
{
	const Elf64_Phdr *segment = elf_segment(file, PT_DYNAMIC);
	Elf64_Dyn entry;

	if (!segment || segment->p_offset > file->size || segment->p_filesz > file->size - segment->p_offset)
		return 0;
	for (uint64_t at = 0; at + sizeof(entry) <= segment->p_filesz; at += sizeof(entry)) {
		memcpy(&entry, file->bytes + segment->p_offset + at, sizeof(entry));
		if (entry.d_tag == tag)
			return entry.d_un.d_val;
	}
	return 0;
}

static bool begins_with(const uint8_t *code, size_t size, const uint8_t *wanted, size_t length)
{
	static const uint8_t landing[] = {0xf3, 0x0f, 0x1e, 0xfa}; /* endbr64 */

	if (size > sizeof(landing) && memcmp(code, landing, sizeof(landing)) == 0) {
		code += sizeof(landing);
		size -= sizeof(landing);
	}
	return size >= length && memcmp(code, wanted, length) == 0;
}

/* crti's _init, which looks for __gmon_start__: sub $8, %rsp; mov …(%rip), %rax. */
static bool init_is_plain(const struct elf_file *file, uint64_t address)
{
	static const uint8_t plain[] = {0x48, 0x83, 0xec, 0x08, 0x48, 0x8b, 0x05};
	size_t size;
	const uint8_t *code = address ? code_at(file, address, &size) : NULL;

	return !address || (code && begins_with(code, size, plain, sizeof(plain)));
}

/* Of its array the first is crtbegin's frame_dummy, which only jumps on. */
bool entry_has_constructors(const struct elf_file *file)
{
	static const uint8_t jump[] = {0xe9};
	uint64_t bytes = dynamic_value(file, DT_INIT_ARRAYSZ), function = 0;
	const uint8_t *array, *code;
	size_t size;

	if (!init_is_plain(file, dynamic_value(file, DT_INIT)) || bytes > sizeof(function))
		return true;
	if (bytes == 0)
		return false;
	array = bytes_at(file, PF_R, dynamic_value(file, DT_INIT_ARRAY), &size);
	if (!array || size < sizeof(function))
		return true;
	memcpy(&function, array, sizeof(function));
	code = code_at(file, function, &size);
	return !code || !begins_with(code, size, jump, sizeof(jump));
}
