#include "tracer/processor/instruction.h"

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

/*
 * Read from the wrong place, instructions of this processor soon fall into step with the right ones: so from
 * wherever one begins some way before, nearly all come to an instruction's first byte, and to what is within
 * another one none. What is near may be data in front of a function; so most must do.
 */
bool instruction_is_cpuid(const uint8_t *code, size_t size, size_t at)
{
	size_t first = at > INSTRUCTION_LEAD ? at - INSTRUCTION_LEAD : 0;
	size_t hits = 0;

	for (size_t start = first; start < at; start++)
		hits += arrive(code, size, start, at) == at;
	return hits * 4 > (at - first) * 3 || at == first;
}
