/*
 * The processor features an image may need: one row each, so that what the
 * tracer records, the loader compares and the inspector prints is one table.
 * The words hold the CPUID outputs named below, cut to the table's bits.
 */
#ifndef FORMAT_FACTS_CPU_H
#define FORMAT_FACTS_CPU_H

#include <assert.h>
#include <stdbool.h>

#include "format/image/layout.h"

/* Which CPUID output a word of snapimg_machine.cpu_features is. */
enum snapimg_cpu_word {
	SNAPIMG_CPU_1_ECX,
	SNAPIMG_CPU_1_EDX,
	SNAPIMG_CPU_7_EBX,
	SNAPIMG_CPU_7_ECX,
	SNAPIMG_CPU_7_EDX,
	SNAPIMG_CPU_7_1_EAX,
	SNAPIMG_CPU_D_1_EAX,
	SNAPIMG_CPU_80000001_ECX,
	SNAPIMG_CPU_80000001_EDX,
	SNAPIMG_CPU_XCR0_LOW,   /* xgetbv(0): what the kernel enabled */
	SNAPIMG_CPU_WORDS_USED, /* the words from here to SNAPIMG_CPU_WORDS are zero */
};
static_assert(SNAPIMG_CPU_WORDS_USED <= (int)SNAPIMG_CPU_WORDS, "cpu words");

/* No code needs it: it says which is the faster way to copy. */
enum { SNAPIMG_CPU_HINT = 255 };

struct snapimg_cpu_feature {
	uint8_t word; /* enum snapimg_cpu_word */
	uint8_t bit;
	uint8_t level; /* enum snapimg_level that has it first, 0, or SNAPIMG_CPU_HINT */
	char name[21]; /* as /proc/cpuinfo has it, where it does; inline, so that the table needs no
	                  relocation */
};
extern const struct snapimg_cpu_feature snapimg_cpu_features[];
extern const uint32_t snapimg_cpu_feature_count;

/* Reads this machine's words, cut to the table's bits (six CPUID leaves, about 7 us each under
 * virtualisation). */
void snapimg_cpu_read(uint32_t words[SNAPIMG_CPU_WORDS]);

/* Whether this is the kind of processor that snapimg_cpu_read() saw, by one leaf of six. A virtual machine
 * that was moved to another kind has another leaf 7 or another XCR0. False: look at all. */
bool snapimg_cpu_is_same(const uint32_t words[SNAPIMG_CPU_WORDS]);

/* The first feature at or after table row `from` whose bit is in `words`, or NULL. Bits without a row are not
 * found: compare them too. */
const struct snapimg_cpu_feature *snapimg_cpu_next(const uint32_t words[SNAPIMG_CPU_WORDS], uint32_t from);

/* By enum snapimg_level: "native", "x86-64", ... */
enum { SNAPIMG_LEVELS = SNAPIMG_LEVEL_X86_64_V3 + 1 };
extern const char snapimg_level_names[SNAPIMG_LEVELS][12];

/* Takes the hints out: they are never needed. */
void snapimg_cpu_leave_hints(uint32_t words[SNAPIMG_CPU_WORDS]);
/* All that a level has (enum snapimg_level). */
void snapimg_cpu_of_level(uint32_t level, uint32_t words[SNAPIMG_CPU_WORDS]);

#endif
