#include "format/facts/cpu.h"

#include <cpuid.h>

/* The last column: the level of the x86-64 psABI that has it first, or NONE; HINT: it says only what is fast.
 */
enum { LEVEL_HINT = SNAPIMG_CPU_HINT, LEVEL_NONE = 0, LEVEL_1, LEVEL_2, LEVEL_3 };

/*
 * X(word, bit, name, level): what compilers (x86-64-v2 to v4), glibc's and OpenSSL's
 * choosers and hand-written dispatchers look at. Bit numbers: Intel SDM volume
 * 2A, CPUID, and AMD APM volume 3, appendix E; names: arch/x86/include/asm/
 * cpufeatures.h of Linux, with sse3 and lzcnt by their better known names.
 */
#define CPU_FEATURES(X)                                                                                      \
	X(1_ECX, 0, "sse3", 2)                                                                               \
	X(1_ECX, 1, "pclmulqdq", NONE)                                                                       \
	X(1_ECX, 9, "ssse3", 2)                                                                              \
	X(1_ECX, 12, "fma", 3)                                                                               \
	X(1_ECX, 13, "cx16", 2)                                                                              \
	X(1_ECX, 19, "sse4_1", 2)                                                                            \
	X(1_ECX, 20, "sse4_2", 2)                                                                            \
	X(1_ECX, 22, "movbe", 3)                                                                             \
	X(1_ECX, 23, "popcnt", 2)                                                                            \
	X(1_ECX, 25, "aes", NONE)                                                                            \
	X(1_ECX, 26, "xsave", 3)                                                                             \
	X(1_ECX, 27, "osxsave", 3)                                                                           \
	X(1_ECX, 28, "avx", 3)                                                                               \
	X(1_ECX, 29, "f16c", 3)                                                                              \
	X(1_ECX, 30, "rdrand", NONE)                                                                         \
	X(1_EDX, 25, "sse", 1)                                                                               \
	X(1_EDX, 26, "sse2", 1)                                                                              \
	X(7_EBX, 0, "fsgsbase", NONE)                                                                        \
	X(7_EBX, 3, "bmi1", 3)                                                                               \
	X(7_EBX, 5, "avx2", 3)                                                                               \
	X(7_EBX, 8, "bmi2", 3)                                                                               \
	X(7_EBX, 9, "erms", HINT)                                                                            \
	X(7_EBX, 11, "rtm", NONE)                                                                            \
	X(7_EBX, 16, "avx512f", NONE)                                                                        \
	X(7_EBX, 17, "avx512dq", NONE)                                                                       \
	X(7_EBX, 18, "rdseed", NONE)                                                                         \
	X(7_EBX, 19, "adx", NONE)                                                                            \
	X(7_EBX, 21, "avx512ifma", NONE)                                                                     \
	X(7_EBX, 23, "clflushopt", NONE)                                                                     \
	X(7_EBX, 24, "clwb", NONE)                                                                           \
	X(7_EBX, 28, "avx512cd", NONE)                                                                       \
	X(7_EBX, 29, "sha_ni", NONE)                                                                         \
	X(7_EBX, 30, "avx512bw", NONE)                                                                       \
	X(7_EBX, 31, "avx512vl", NONE)                                                                       \
	X(7_ECX, 1, "avx512vbmi", NONE)                                                                      \
	X(7_ECX, 3, "pku", NONE)                                                                             \
	X(7_ECX, 4, "ospke", NONE)                                                                           \
	X(7_ECX, 5, "waitpkg", NONE)                                                                         \
	X(7_ECX, 6, "avx512_vbmi2", NONE)                                                                    \
	X(7_ECX, 8, "gfni", NONE)                                                                            \
	X(7_ECX, 9, "vaes", NONE)                                                                            \
	X(7_ECX, 10, "vpclmulqdq", NONE)                                                                     \
	X(7_ECX, 11, "avx512_vnni", NONE)                                                                    \
	X(7_ECX, 12, "avx512_bitalg", NONE)                                                                  \
	X(7_ECX, 14, "avx512_vpopcntdq", NONE)                                                               \
	X(7_ECX, 22, "rdpid", NONE)                                                                          \
	X(7_ECX, 27, "movdiri", NONE)                                                                        \
	X(7_ECX, 28, "movdir64b", NONE)                                                                      \
	X(7_EDX, 4, "fsrm", HINT)                                                                            \
	X(7_EDX, 8, "avx512_vp2intersect", NONE)                                                             \
	X(7_EDX, 22, "amx_bf16", NONE)                                                                       \
	X(7_EDX, 23, "avx512_fp16", NONE)                                                                    \
	X(7_EDX, 24, "amx_tile", NONE)                                                                       \
	X(7_EDX, 25, "amx_int8", NONE)                                                                       \
	X(7_1_EAX, 0, "sha512", NONE)                                                                        \
	X(7_1_EAX, 1, "sm3", NONE)                                                                           \
	X(7_1_EAX, 2, "sm4", NONE)                                                                           \
	X(7_1_EAX, 4, "avx_vnni", NONE)                                                                      \
	X(7_1_EAX, 5, "avx512_bf16", NONE)                                                                   \
	X(7_1_EAX, 7, "cmpccxadd", NONE)                                                                     \
	X(7_1_EAX, 10, "fzrm", HINT)                                                                         \
	X(7_1_EAX, 11, "fsrs", HINT)                                                                         \
	X(7_1_EAX, 12, "fsrc", HINT)                                                                         \
	X(7_1_EAX, 21, "amx_fp16", NONE)                                                                     \
	X(7_1_EAX, 23, "avx_ifma", NONE)                                                                     \
	X(D_1_EAX, 0, "xsaveopt", NONE)                                                                      \
	X(D_1_EAX, 1, "xsavec", NONE)                                                                        \
	X(D_1_EAX, 2, "xgetbv1", NONE)                                                                       \
	X(80000001_ECX, 0, "lahf_lm", 2)                                                                     \
	X(80000001_ECX, 5, "lzcnt", 3)                                                                       \
	X(80000001_ECX, 6, "sse4a", NONE)                                                                    \
	X(80000001_ECX, 11, "xop", NONE)                                                                     \
	X(80000001_ECX, 16, "fma4", NONE)                                                                    \
	X(80000001_ECX, 21, "tbm", NONE)                                                                     \
	X(80000001_EDX, 27, "rdtscp", NONE)                                                                  \
	X(XCR0_LOW, 1, "xcr0_sse", 3)                                                                        \
	X(XCR0_LOW, 2, "xcr0_avx", 3)                                                                        \
	X(XCR0_LOW, 5, "xcr0_opmask", NONE)                                                                  \
	X(XCR0_LOW, 6, "xcr0_zmm_hi256", NONE)                                                               \
	X(XCR0_LOW, 7, "xcr0_hi16_zmm", NONE)                                                                \
	X(XCR0_LOW, 9, "xcr0_pkru", NONE)                                                                    \
	X(XCR0_LOW, 17, "xcr0_tilecfg", NONE)                                                                \
	X(XCR0_LOW, 18, "xcr0_tiledata", NONE)                                                               \
	X(XCR0_LOW, 19, "xcr0_apx", NONE)

const struct snapimg_cpu_feature snapimg_cpu_features[] = {
#define X(word, bit, name, level) {SNAPIMG_CPU_##word, (bit), LEVEL_##level, (name)},
        CPU_FEATURES(X)
#undef X
};

const uint32_t snapimg_cpu_feature_count = sizeof(snapimg_cpu_features) / sizeof(*snapimg_cpu_features);

const char snapimg_level_names[SNAPIMG_LEVELS][12] = {
        [SNAPIMG_LEVEL_NATIVE] = "native",
        [SNAPIMG_LEVEL_X86_64] = "x86-64",
        [SNAPIMG_LEVEL_X86_64_V2] = "x86-64-v2",
        [SNAPIMG_LEVEL_X86_64_V3] = "x86-64-v3",
};

enum { OSXSAVE_BIT = 27 };

static uint32_t xcr0_low(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

static void read_leaves(uint32_t words[SNAPIMG_CPU_WORDS])
{
	unsigned max, a, b, c, d;

	/* Leaf 0x80000001 is on every x86-64: it is where long mode itself is told. */
	__cpuid(0x80000001, a, b, c, d);
	words[SNAPIMG_CPU_80000001_ECX] = c;
	words[SNAPIMG_CPU_80000001_EDX] = d;
	__cpuid(1, a, b, c, d);
	words[SNAPIMG_CPU_1_ECX] = c;
	words[SNAPIMG_CPU_1_EDX] = d;
	if (c & 1u << OSXSAVE_BIT) {
		words[SNAPIMG_CPU_XCR0_LOW] = xcr0_low();
		max = 0xd; /* where XSAVE is told; another leaf costs 4 us under virtualisation */
	} else {
		__cpuid(0, max, b, c, d);
	}
	if (max >= 7) {
		__cpuid_count(7, 0, a, b, c, d);
		words[SNAPIMG_CPU_7_EBX] = b;
		words[SNAPIMG_CPU_7_ECX] = c;
		words[SNAPIMG_CPU_7_EDX] = d;
		if (a >= 1) {
			__cpuid_count(7, 1, a, b, c, d);
			words[SNAPIMG_CPU_7_1_EAX] = a;
		}
	}
	if (max >= 0xd) {
		__cpuid_count(0xd, 1, a, b, c, d);
		words[SNAPIMG_CPU_D_1_EAX] = a;
	}
}

static void known_bits(uint32_t known[SNAPIMG_CPU_WORDS])
{
	uint32_t i;

	for (i = 0; i < SNAPIMG_CPU_WORDS; i++)
		known[i] = 0;
	for (i = 0; i < snapimg_cpu_feature_count; i++)
		known[snapimg_cpu_features[i].word] |= UINT32_C(1) << snapimg_cpu_features[i].bit;
}

/* The newest leaf tells models apart, and so does what the kernel keeps of registers. */
bool snapimg_cpu_is_same(const uint32_t words[SNAPIMG_CPU_WORDS])
{
	static const uint8_t telling[] = {SNAPIMG_CPU_7_EBX, SNAPIMG_CPU_7_ECX, SNAPIMG_CPU_7_EDX};
	uint32_t read[SNAPIMG_CPU_WORDS] = {0}, known[SNAPIMG_CPU_WORDS], i;
	unsigned a;

	if ((words[SNAPIMG_CPU_1_ECX] & 1u << OSXSAVE_BIT) == 0 || words[SNAPIMG_CPU_7_EBX] == 0)
		return false; /* an old one, which may lack the leaf or the instruction */
	__cpuid_count(7, 0, a, read[SNAPIMG_CPU_7_EBX], read[SNAPIMG_CPU_7_ECX], read[SNAPIMG_CPU_7_EDX]);
	known_bits(known);
	snapimg_cpu_leave_hints(known);
	for (i = 0; i < sizeof(telling); i++)
		if ((read[telling[i]] & known[telling[i]]) != words[telling[i]])
			return false;
	read[SNAPIMG_CPU_XCR0_LOW] = xcr0_low(); /* which this processor has, as it has the leaf */
	return (read[SNAPIMG_CPU_XCR0_LOW] & known[SNAPIMG_CPU_XCR0_LOW]) == words[SNAPIMG_CPU_XCR0_LOW];
}

void snapimg_cpu_read(uint32_t words[SNAPIMG_CPU_WORDS])
{
	uint32_t read[SNAPIMG_CPU_WORDS] = {0}, known[SNAPIMG_CPU_WORDS], i;

	known_bits(known);
	read_leaves(read);
	for (i = 0; i < SNAPIMG_CPU_WORDS; i++)
		words[i] = read[i] & known[i];
}

const struct snapimg_cpu_feature *snapimg_cpu_next(const uint32_t words[SNAPIMG_CPU_WORDS], uint32_t from)
{
	for (; from < snapimg_cpu_feature_count; from++) {
		const struct snapimg_cpu_feature *feature = &snapimg_cpu_features[from];

		if (words[feature->word] >> feature->bit & 1)
			return feature;
	}
	return NULL;
}

void snapimg_cpu_leave_hints(uint32_t words[SNAPIMG_CPU_WORDS])
{
	for (uint32_t i = 0; i < snapimg_cpu_feature_count; i++)
		if (snapimg_cpu_features[i].level == SNAPIMG_CPU_HINT)
			words[snapimg_cpu_features[i].word] &= ~(UINT32_C(1) << snapimg_cpu_features[i].bit);
}

void snapimg_cpu_of_level(uint32_t level, uint32_t words[SNAPIMG_CPU_WORDS])
{
	for (uint32_t i = 0; i < SNAPIMG_CPU_WORDS; i++)
		words[i] = 0;
	for (uint32_t i = 0; i < snapimg_cpu_feature_count; i++) {
		const struct snapimg_cpu_feature *feature = &snapimg_cpu_features[i];

		if (feature->level != LEVEL_NONE && feature->level <= level)
			words[feature->word] |= UINT32_C(1) << feature->bit;
	}
}
