/* Which of the bytes 0f a2 are an instruction: told from what stands around them. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../check.h"
#include "tracer/processor/instruction.h"
#include "tracer/processor/length_x86_64.h"

static const struct {
	const char *what;
	uint8_t code[15];
	size_t length;
} lengths[] = {
        {"nop", {0x90}, 1},
        {"cpuid", {0x0f, 0xa2}, 2},
        {"mov $imm32, %eax", {0xb8, 0x0f, 0xa2, 0, 0}, 5},
        {"movabs $imm64, %rax", {0x48, 0xb8, 0x0f, 0xa2}, 10},
        {"mov $imm16, %ax", {0x66, 0xb8, 0x0f, 0xa2}, 4},
        {"test $imm32, (%rax)", {0xf7, 0x00, 0x0f, 0xa2}, 6},
        {"not (%rax)", {0xf7, 0x10}, 2},
        {"lea disp32(%rip), %rax", {0x48, 0x8d, 0x05, 0x0f, 0xa2}, 7},
        {"mov disp8(%rsp), %rax", {0x48, 0x8b, 0x44, 0x24, 0x08}, 5},
        {"mov disp32(,%rax,8), %rcx", {0x48, 0x8b, 0x0c, 0xc5, 0, 0, 0, 0}, 8},
        {"jmp rel32", {0xe9}, 5},
        {"je rel32", {0x0f, 0x84}, 6},
        {"pshufb", {0x66, 0x0f, 0x38, 0x00, 0xc1}, 5},
        {"palignr", {0x66, 0x0f, 0x3a, 0x0f, 0xc1, 0x08}, 6},
        {"vzeroupper", {0xc5, 0xf8, 0x77}, 3},
        {"vpshufd $imm8", {0xc5, 0xf9, 0x70, 0xc1, 0x0f}, 5},
        {"vpermq $imm8", {0xc4, 0xe3, 0xfd, 0x00, 0xc1, 0x4e}, 6},
        {"vmovdqu64 disp8(%rdi), %zmm16", {0x62, 0xe1, 0xfe, 0x48, 0x6f, 0x47, 0x01}, 7},
        {"endbr64", {0xf3, 0x0f, 0x1e, 0xfa}, 4},
        {"xgetbv", {0x0f, 0x01, 0xd0}, 3},
        {"enter", {0xc8}, 4},
        {"movabs addr, %al", {0xa0}, 9},
        {"none", {0x06}, 0},
};

/* Code around two bytes at `at`, with fill of one byte. */
struct around {
	uint8_t code[512];
	size_t at;
};

static bool found(uint8_t fill, const uint8_t *before, size_t count, size_t pair)
{
	struct around around = {.at = 300};

	memset(around.code, fill, sizeof(around.code));
	memcpy(around.code + around.at - pair, before, count);
	return instruction_is_cpuid(around.code, sizeof(around.code), around.at);
}

int main(void)
{
	static const uint8_t plain[] = {0x53, 0xb8, 1,    0,    0,    0,    0x31,
	                                0xc9, 0x0f, 0xa2, 0x89, 0xd8, 0x5b, 0xc3};
	static const uint8_t within_mov[] = {0x53, 0x48, 0x89, 0xfb, 0xb8, 0x0f, 0xa2, 0, 0, 0x5b, 0xc3};
	static const uint8_t within_call[] = {0x48, 0x83, 0xec, 8,    0xe8, 0x12, 0x0f,
	                                      0xa2, 0xff, 0x48, 0x83, 0xc4, 8,    0xc3};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		EXPECT_AT(instruction_length(lengths[i].code, 15) == lengths[i].length, "%s",
		          lengths[i].what);
	EXPECT(instruction_length((const uint8_t[]){0xb8, 0, 0}, 3) == 0); /* cut off */
	EXPECT(found(0x90, plain, sizeof(plain), 8));
	EXPECT(found(0xcc, plain, sizeof(plain), 8));
	EXPECT(found(0x00, plain, sizeof(plain), 8)); /* in fresh memory */
	EXPECT(!found(0x90, within_mov, sizeof(within_mov), 5));
	EXPECT(!found(0x00, within_mov, sizeof(within_mov), 5));
	EXPECT(!found(0x90, within_call, sizeof(within_call), 6));
	EXPECT(instruction_is_cpuid((const uint8_t[]){0x0f, 0xa2, 0xc3}, 3,
	                            0)); /* at the very begin of a mapping */
	return check_result();
}
