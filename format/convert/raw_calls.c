/*
 * A program or library that makes madvise(2) or mremap(2) by its own syscall
 * instruction passes the shim by. It is known by the code: the number is put
 * into eax or rax shortly before the instruction. What only looks so costs
 * that the program's anonymous memory is copied at a restore.
 */
#include "format/convert/raw_calls.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MADVISE = 28, MREMAP = 25, NEAR = 24 }; /* arch/x86/entry/syscalls/syscall_64.tbl */

/* The C library's own code, which format/convert/chunks.c tells about; ld.so is one file with it in some
 * releases. */
static bool is_of_libc(const char *path)
{
	static const char *const beginnings[] = {"libc.so.", "libc-2.", "ld-linux-", "ld-2."};
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	size_t i;

	for (i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++)
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

/* mov $NUMBER, %eax, or mov $NUMBER, %rax, in the bytes before a syscall. */
static bool sets_number(const uint8_t *bytes, size_t size)
{
	static const uint8_t numbers[] = {MADVISE, MREMAP};
	size_t i, number;

	for (number = 0; number < sizeof(numbers); number++) {
		const uint8_t tail[] = {numbers[number], 0, 0, 0};

		for (i = 1; i + sizeof(tail) <= size; i++)
			if (memcmp(bytes + i, tail, sizeof(tail)) == 0 &&
			    (bytes[i - 1] == 0xb8 || bytes[i - 1] == 0xc0))
				return true;
	}
	return false;
}

static bool has_raw_call(const uint8_t *code, size_t size)
{
	static const uint8_t instruction[] = {0x0f, 0x05};
	const uint8_t *at = code, *end = code + size;

	while (at < end && (at = memmem(at, (size_t)(end - at), instruction, sizeof(instruction))) != NULL) {
		size_t before = (size_t)(at - code) < NEAR ? (size_t)(at - code) : NEAR;

		if (sets_number(at - before, before))
			return true;
		at += sizeof(instruction);
	}
	return false;
}

/* A file that can't be looked into can't be started from either. */
static bool file_has_raw_call(const char *path, uint64_t offset, uint64_t size)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	bool has = false;

	if (descriptor < 0)
		return false;
	if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size > offset) {
		uint64_t there = (uint64_t)status.st_size - offset;
		size_t length = size < there ? size : there;
		void *code = mmap(NULL, length, PROT_READ, MAP_PRIVATE, descriptor, (off_t)offset);

		if (code != MAP_FAILED) {
			has = has_raw_call(code, length);
			(void)munmap(code, length);
		}
	}
	(void)close(descriptor);
	return has;
}

bool has_raw_calls(const struct snapimg *image)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	uint32_t i;

	for (i = 0; i < snapimg_mapping_count(image); i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_FILE || !(mapping[i].protection & SNAPIMG_PROT_EXEC))
			continue;
		const char *path = snapimg_string(image, snapimg_get_file(image)[mapping[i].file - 1].path);
		if (!is_of_libc(path) &&
		    file_has_raw_call(path, mapping[i].offset, mapping[i].end - mapping[i].start))
			return true;
	}
	return false;
}
