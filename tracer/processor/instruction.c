#include "tracer/processor/instruction.h"

#include <string.h>

#include "tracer/processor/length_x86_64.h"

/* Where instructions that are read one after another from `start` come to `at`, or past it. */
static size_t arrive(const uint8_t *code, size_t size, size_t start, size_t at)
{
	while (start < at) {
		size_t length = instruction_length(code + start, size - start);

		start += length ? length : 1; /* not code: the next byte may be */
	}
	return start;
}

/* Opcodes that compiled programs don't use, or hardly ever, but that data has as often as any other: of old
 * or privileged instructions, of x87, of far calls. */
static bool is_odd(const uint8_t *code, size_t length)
{
	static const uint8_t odd[] = {0x26, 0x36, 0x6c, 0x6d, 0x6e, 0x6f, 0x8c, 0x8e, 0x9b, 0xa0, 0xa1, 0xa2,
	                              0xa3, 0xc2, 0xc8, 0xca, 0xcb, 0xcd, 0xcf, 0xd7, 0xd8, 0xd9, 0xda, 0xdb,
	                              0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7,
	                              0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xf5, 0xfa, 0xfb, 0xfd};
	static const uint8_t odd_after_0f[] = {0x00, 0x02, 0x03, 0x06, 0x07, 0x08, 0x09, 0x20, 0x21, 0x22,
	                                       0x23, 0x30, 0x32, 0x33, 0x34, 0x35, 0x78, 0x79, 0xa0, 0xa1,
	                                       0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb4, 0xb5, 0xb9, 0xff};
	size_t opcode = 0;

	while (opcode + 1 < length && (code[opcode] == 0x66 || code[opcode] >> 4 == 4))
		opcode++;
	if (code[opcode] == 0x0f && opcode + 1 < length)
		return memchr(odd_after_0f, code[opcode + 1], sizeof(odd_after_0f)) != NULL;
	return memchr(odd, code[opcode], sizeof(odd)) != NULL;
}

/* Whether instructions from `start` up to `end` are such as stand in a program; behind a return or a jump
 * there may be anything. */
static bool reads_as_code(const uint8_t *code, size_t size, size_t start, size_t end)
{
	while (start < end && start < size) {
		size_t length = instruction_length(code + start, size - start);

		if (length == 0)
			return size - start < INSTRUCTION_TAIL / 2; /* cut off */
		if (is_odd(code + start, length))
			return false;
		if (code[start] == 0xc3 || code[start] == 0xe9 || code[start] == 0xeb)
			return true;
		start += length;
	}
	return true;
}

/* Whether some of the bytes clear eax, or set it to the number of a leaf. */
static bool sets_leaf(const uint8_t *code, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++) {
		if ((code[i] == 0x31 || code[i] == 0x33) && code[i + 1] == 0xc0)
			return true;
		if (code[i] == 0xb8 && i + 4 < size && code[i + 2] == 0 && code[i + 3] == 0 &&
		    (code[i + 4] & 0x3f) == 0)
			return true;
	}
	return false;
}

/*
 * Read from the wrong place, instructions of this processor soon fall into step with the right ones: so from
 * wherever one begins some way before, nearly all come to an instruction's first byte, and to what is within
 * another one none. What lies there may be data in front of a function; so most must do. At the beginning of
 * a mapping there is little to begin with, and from so near not all are in step. Data that lies among code
 * (tables of ciphers) has such a step, too, but nothing else of code: what comes before and after it must
 * read as code.
 */
bool instruction_is_cpuid(const uint8_t *code, size_t size, size_t at)
{
	enum { NEAR = 16, MANY = 3 * NEAR };
	size_t first = at > INSTRUCTION_LEAD ? at - INSTRUCTION_LEAD : 0;
	bool many = at - first >= MANY;
	size_t last = many ? at - NEAR : at;
	size_t hits = 0, like_code = 0;

	for (size_t start = first; start < last; start++)
		hits += arrive(code, size, start, at) == at;
	for (size_t start = at < 2 * NEAR ? 0 : at - 2 * NEAR; start < at; start++)
		if (arrive(code, size, start, at) == at && reads_as_code(code, size, start, at) &&
		    (at - start > NEAR + NEAR / 2 || sets_leaf(code + start, at - start)))
			like_code++;
	return (first == last || (hits * 4 > (last - first) * (many ? 3 : 2) && like_code > 0)) &&
	       reads_as_code(code, size, at + CPUID_LENGTH, at + CPUID_LENGTH + INSTRUCTION_TAIL);
}
