/* All registers, live across a breakpoint at stop_here: general, x87, MXCSR, SSE, AVX, AVX-512 where there is
 * one; and the flags ID and NT. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../check.h"

struct state {
	uint8_t vector[32][64];
	uint64_t mask[8];
	uint16_t x87_control;
	uint16_t padding;
	uint32_t mxcsr;
	double x87_value;
	uint64_t general[15];
	uint8_t carry;
	uint64_t flags;
};
_Static_assert(offsetof(struct state, x87_control) == 2112, "as the assembly has it");
_Static_assert(offsetof(struct state, general) == 2128, "as the assembly has it");
_Static_assert(offsetof(struct state, flags) == 2256, "as the assembly has it");

void load_and_stop(const struct state *in, struct state *out, int level);

/* Bytes of a vector register, how many registers, and whether masks are there, for each level. */
static const struct level {
	size_t bytes, registers, masks;
} levels[] = {{0}, {16, 16, 0}, {32, 16, 0}, {64, 32, 8}};

static int machine_level(void)
{
	if (__builtin_cpu_supports("avx512f"))
		return 3;
	return __builtin_cpu_supports("avx") ? 2 : 1;
}

int main(void)
{
	static struct state in, out;
	int level = machine_level();
	for (unsigned i = 0; i < 32; i++) {
		for (unsigned j = 0; j < 64; j++)
			in.vector[i][j] = (uint8_t)(i * 67 + j * 3 + 1);
	}
	for (unsigned i = 0; i < 8; i++)
		in.mask[i] = 0x1234u + i;
	for (unsigned i = 0; i < 15; i++)
		in.general[i] = 0x0123456789abcdefu * (i + 1);
	in.x87_control = 0x067f; /* round down */
	in.mxcsr = 0x7f80;       /* round to zero, flush to zero off */
	in.x87_value = 1234.0625;

	load_and_stop(&in, &out, level);

	for (size_t i = 0; i < levels[level].registers; i++)
		CHECK(memcmp(in.vector[i], out.vector[i], levels[level].bytes) == 0);
	for (size_t i = 0; i < levels[level].masks; i++)
		CHECK(in.mask[i] == out.mask[i]);
	for (size_t i = 0; i < 15; i++)
		CHECK(in.general[i] == out.general[i]);
	CHECK(out.carry == 1);
	CHECK((out.flags & 0x204000) == 0x204000);
	CHECK(out.x87_control == in.x87_control);
	CHECK(out.mxcsr == in.mxcsr);
	CHECK(out.x87_value == in.x87_value);
	printf("level %d\n", level);
	return 0;
}
