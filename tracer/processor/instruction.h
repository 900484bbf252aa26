/* Where a processor is asked: `cpuid` instructions among the bytes of code. */
#ifndef TRACER_PROCESSOR_INSTRUCTION_H
#define TRACER_PROCESSOR_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CPUID_LENGTH = 2,
	INSTRUCTION_LEAD = 96,
	INSTRUCTION_TAIL = 48
}; /* bytes before and behind it that are looked at */

/* Whether the bytes 0f a2 at code[at] are an instruction, and not within another one or data. */
bool instruction_is_cpuid(const uint8_t *code, size_t size, size_t at);

#endif
