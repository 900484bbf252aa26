/* What a program hears that asks its processor, where it is shown one of another level. */
#ifndef TRACER_PROCESSOR_ANSWER_X86_64_H
#define TRACER_PROCESSOR_ANSWER_X86_64_H

#include <stdint.h>

/* As a cpuid instruction gives them. */
struct cpuid_answer {
	uint32_t eax, ebx, ecx, edx;
};

/* The answer of this processor, without what the level (enum snapimg_level, not the native one) lacks. */
struct cpuid_answer processor_answer(uint32_t level, uint32_t leaf, uint32_t subleaf);

#endif
