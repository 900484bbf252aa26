#include "tracer/processor/answer_x86_64.h"

#include <cpuid.h>
#include <stdbool.h>
#include <stddef.h>

#include "format/facts/cpu.h"

enum {
	STATE_LEGACY_AND_AVX = 7, /* XCR0 of the third level */
	LAST_AVX_LEAF = 2,
	/* Of leaf 0xd: up to AMX's tiles, which come last of all (APX lies within). Whoever keeps this size
	 * has room on a processor with more state, too; frames of signals are as large there. */
	STATE_SIZE_ANYWHERE = 11008,
};

/*
 * What passes of a leaf that tells features: the level's own (`words`, as enum snapimg_cpu_word; NONE: none)
 * and those of `also`, which no code is chosen by: topology, power, what the kernel has. A leaf that isn't
 * here and is below 0x14, or among those of sizes and names, passes as it is.
 */
enum { NONE = 0xff };
#define ALL UINT32_MAX
static const struct rule {
	uint32_t leaf, subleaf; /* UINT32_MAX: every one */
	uint8_t words[4];       /* of eax, ebx, ecx, edx */
	uint32_t also[4];
} rules[] = {
        /* ecx: a hypervisor is there; edx: all but PSN, DS, ACPI, IA64 and PBE. */
        {1, UINT32_MAX, {NONE, NONE, SNAPIMG_CPU_1_ECX, NONE}, {ALL, ALL, 0x80000000u, 0x1f9bfbff}},
        {7, 0, {NONE, SNAPIMG_CPU_7_EBX, NONE, NONE}, {0}},
        {7, UINT32_MAX, {NONE, NONE, NONE, NONE}, {0}},
        /* ecx: CMP_LEGACY and TOPOEXT; edx: those of leaf 1 that AMD repeats, SYSCALL, NX, LM. */
        {0x80000001,
         UINT32_MAX,
         {NONE, NONE, SNAPIMG_CPU_80000001_ECX, NONE},
         {ALL, ALL, 0x00400002, 0x2193fbff}},
        {0x80000007,
         UINT32_MAX,
         {NONE, NONE, NONE, NONE},
         {0, 0, 0, 0x100}}, /* a TSC that never changes its rate */
        {0x80000008,
         UINT32_MAX,
         {NONE, NONE, NONE, NONE},
         {ALL, 0, ALL, ALL}}, /* sizes of addresses; cores */
};

static bool tells_sizes(uint32_t leaf)
{
	return leaf == 0x15 || leaf == 0x16 || leaf == 0x1a || leaf == 0x1f || (leaf >> 28 == 4) ||
	       (leaf >= 0x80000000 && leaf <= 0x8000000a) || leaf == 0x8000001d || leaf == 0x8000001e;
}

/* Leaf 0xd: how the extended state is laid out. */
static struct cpuid_answer state_answer(uint32_t level, uint32_t subleaf, struct cpuid_answer real)
{
	uint32_t size = real.ebx > STATE_SIZE_ANYWHERE ? real.ebx : STATE_SIZE_ANYWHERE;

	if (level < SNAPIMG_LEVEL_X86_64_V3 || subleaf > LAST_AVX_LEAF || subleaf == 1)
		return (struct cpuid_answer){0};
	if (subleaf == LAST_AVX_LEAF)
		return real;
	return (struct cpuid_answer){real.eax & STATE_LEGACY_AND_AVX, size, size, 0};
}

static const struct rule *find_rule(uint32_t leaf, uint32_t subleaf)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (rules[i].leaf == leaf && (rules[i].subleaf == UINT32_MAX || rules[i].subleaf == subleaf))
			return &rules[i];
	return NULL;
}

struct cpuid_answer processor_answer(uint32_t level, uint32_t leaf, uint32_t subleaf)
{
	const struct rule *rule = find_rule(leaf, subleaf);
	uint32_t shown[SNAPIMG_CPU_WORDS], part[4];
	struct cpuid_answer real;

	__cpuid_count(leaf, subleaf, real.eax, real.ebx, real.ecx, real.edx);
	if (leaf == 0xd)
		return state_answer(level, subleaf, real);
	if (!rule)
		return leaf < 0x14 || tells_sizes(leaf) ? real : (struct cpuid_answer){0};
	snapimg_cpu_of_level(level, shown);
	for (size_t i = 0; i < 4; i++)
		part[i] = rule->also[i] | (rule->words[i] == NONE ? 0 : shown[rule->words[i]]);
	return (struct cpuid_answer){real.eax & part[0], real.ebx & part[1], real.ecx & part[2],
	                             real.edx & part[3]};
}
