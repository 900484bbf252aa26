/*
 * A program or library that makes madvise(2), mremap(2) or their like by its
 * own syscall instruction passes the shim by. It is known by the code: the
 * number is put into eax or rax shortly before the instruction; or, in a
 * function that makes any call, what it was given is put there. What only looks
 * so costs that the program's anonymous memory is copied at a restore.
 */
#include "format/facts/raw_code.h"

#include <assert.h>
#include <string.h>

enum {
	NEAR = 48,        /* bytes before the instruction in which its number is set */
	NEAR_OF_ANY = 24, /* the same, in a function that makes any call */
	AFTER = 16,       /* bytes in which such a function ends or looks at the result */
	/* arch/x86/entry/syscalls/syscall_64.tbl */
	MREMAP = 25,
	MADVISE = 28,
	USERFAULTFD = 323,
	PROCESS_MADVISE = 440,
};
static_assert(RAW_CODE_OVERLAP >= NEAR + 2 + AFTER,
              "an instruction lies in one piece with all that tells of it");

/* The C library's own code: preload/shim/mapped.c tells about it, and its syscall(2) is the shim's. ld.so is
 * one file with it in some releases. */
bool raw_code_is_of_libc(const char *path)
{
	static const char *const beginnings[] = {"libc.so.", "libc-2.", "ld-linux-", "ld-2."};
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	size_t i;

	for (i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++)
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

static bool is_wanted(uint32_t number)
{
	return number == MREMAP || number == MADVISE || number == USERFAULTFD || number == PROCESS_MADVISE;
}

/* mov $NUMBER, %eax; mov $NUMBER, %rax; push $NUMBER, pop %rax. */
static bool sets_number(const uint8_t *bytes, size_t size)
{
	size_t i;

	for (i = 0; i + 5 <= size; i++) {
		uint32_t number;

		memcpy(&number, bytes + i + 1, sizeof(number));
		if ((bytes[i] == 0xb8 || (bytes[i] == 0xc0 && i >= 2 && bytes[i - 1] == 0xc7)) &&
		    is_wanted(number))
			return true;
		if (bytes[i] == 0x6a && is_wanted(bytes[i + 1]) && bytes[i + 2] == 0x58)
			return true;
	}
	return false;
}

/* mov of an argument, or of a local variable, to rax. */
static bool takes_number(const uint8_t *bytes, size_t size)
{
	static const struct {
		uint8_t size, bytes[4];
	} moves[] = {
	        {3, {0x48, 0x89, 0xf8}},       /* %rdi */
	        {3, {0x48, 0x63, 0xc7}},       /* %edi */
	        {3, {0x48, 0x8b, 0x45}},       /* off(%rbp) */
	        {4, {0x48, 0x8b, 0x44, 0x24}}, /* off(%rsp) */
	};
	size_t i, move;

	for (move = 0; move < sizeof(moves) / sizeof(*moves); move++)
		for (i = 0; i + moves[move].size <= size; i++)
			if (memcmp(bytes + i, moves[move].bytes, moves[move].size) == 0)
				return true;
	return false;
}

/* What follows a call of a number that is not known: ret, a comparison with -4095, a store of the result. */
static bool ends_call(const uint8_t *bytes, size_t size)
{
	static const uint8_t compare[] = {0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff}, store[] = {0x48, 0x89, 0x45};

	return size >= AFTER && (bytes[0] == 0xc3 || memcmp(bytes, compare, sizeof(compare)) == 0 ||
	                         memcmp(bytes, store, sizeof(store)) == 0);
}

bool raw_code_calls(const uint8_t *code, size_t size)
{
	static const uint8_t instruction[] = {0x0f, 0x05};
	const uint8_t *end = code + size, *last = code + 1;

	/* By its second byte, for which memchr(3) looks some times as fast as memmem(3) does for both. */
	while (last < end && (last = memchr(last, instruction[1], (size_t)(end - last))) != NULL) {
		const uint8_t *at = last++ - 1;
		if (*at != instruction[0])
			continue;
		size_t before = (size_t)(at - code), near = before < NEAR ? before : NEAR,
		       near_of_any = before < NEAR_OF_ANY ? before : NEAR_OF_ANY;

		if (sets_number(at - near, near))
			return true;
		if (takes_number(at - near_of_any, near_of_any) &&
		    ends_call(at + sizeof(instruction), (size_t)(end - at) - sizeof(instruction)))
			return true;
	}
	return false;
}
