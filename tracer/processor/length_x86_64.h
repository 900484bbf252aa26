/* How long an instruction is: as much of a decoder as it takes to tell where the next one begins. */
#ifndef TRACER_PROCESSOR_LENGTH_X86_64_H
#define TRACER_PROCESSOR_LENGTH_X86_64_H

#include <stddef.h>
#include <stdint.h>

/* Of the 64-bit instruction that begins at code[0], of which `size` bytes can be read. 0: it's none, or is
 * cut off there. */
size_t instruction_length(const uint8_t *code, size_t size);

#endif
