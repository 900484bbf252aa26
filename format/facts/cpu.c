#include "format/facts/cpu.h"

#include <cpuid.h>

/*
 * X(word, bit, name): what compilers (x86-64-v2 to v4), glibc's and OpenSSL's
 * choosers and hand-written dispatchers look at. Bit numbers: Intel SDM volume
 * 2A, CPUID, and AMD APM volume 3, appendix E; names: arch/x86/include/asm/
 * cpufeatures.h of Linux, with sse3 and lzcnt by their better known names.
 */
#define CPU_FEATURES(X)                                                                                      \
	X(1_ECX, 0, "sse3")                                                                                  \
	X(1_ECX, 1, "pclmulqdq")                                                                             \
	X(1_ECX, 9, "ssse3")                                                                                 \
	X(1_ECX, 12, "fma")                                                                                  \
	X(1_ECX, 13, "cx16")                                                                                 \
	X(1_ECX, 19, "sse4_1")                                                                               \
	X(1_ECX, 20, "sse4_2")                                                                               \
	X(1_ECX, 22, "movbe")                                                                                \
	X(1_ECX, 23, "popcnt")                                                                               \
	X(1_ECX, 25, "aes")                                                                                  \
	X(1_ECX, 26, "xsave")                                                                                \
	X(1_ECX, 27, "osxsave")                                                                              \
	X(1_ECX, 28, "avx")                                                                                  \
	X(1_ECX, 29, "f16c")                                                                                 \
	X(1_ECX, 30, "rdrand")                                                                               \
	X(1_EDX, 25, "sse")                                                                                  \
	X(1_EDX, 26, "sse2")                                                                                 \
	X(7_EBX, 0, "fsgsbase")                                                                              \
	X(7_EBX, 3, "bmi1")                                                                                  \
	X(7_EBX, 5, "avx2")                                                                                  \
	X(7_EBX, 8, "bmi2")                                                                                  \
	X(7_EBX, 9, "erms")                                                                                  \
	X(7_EBX, 11, "rtm")                                                                                  \
	X(7_EBX, 16, "avx512f")                                                                              \
	X(7_EBX, 17, "avx512dq")                                                                             \
	X(7_EBX, 18, "rdseed")                                                                               \
	X(7_EBX, 19, "adx")                                                                                  \
	X(7_EBX, 21, "avx512ifma")                                                                           \
	X(7_EBX, 23, "clflushopt")                                                                           \
	X(7_EBX, 24, "clwb")                                                                                 \
	X(7_EBX, 28, "avx512cd")                                                                             \
	X(7_EBX, 29, "sha_ni")                                                                               \
	X(7_EBX, 30, "avx512bw")                                                                             \
	X(7_EBX, 31, "avx512vl")                                                                             \
	X(7_ECX, 1, "avx512vbmi")                                                                            \
	X(7_ECX, 3, "pku")                                                                                   \
	X(7_ECX, 4, "ospke")                                                                                 \
	X(7_ECX, 5, "waitpkg")                                                                               \
	X(7_ECX, 6, "avx512_vbmi2")                                                                          \
	X(7_ECX, 8, "gfni")                                                                                  \
	X(7_ECX, 9, "vaes")                                                                                  \
	X(7_ECX, 10, "vpclmulqdq")                                                                           \
	X(7_ECX, 11, "avx512_vnni")                                                                          \
	X(7_ECX, 12, "avx512_bitalg")                                                                        \
	X(7_ECX, 14, "avx512_vpopcntdq")                                                                     \
	X(7_ECX, 22, "rdpid")                                                                                \
	X(7_ECX, 27, "movdiri")                                                                              \
	X(7_ECX, 28, "movdir64b")                                                                            \
	X(7_EDX, 4, "fsrm")                                                                                  \
	X(7_EDX, 8, "avx512_vp2intersect")                                                                   \
	X(7_EDX, 22, "amx_bf16")                                                                             \
	X(7_EDX, 23, "avx512_fp16")                                                                          \
	X(7_EDX, 24, "amx_tile")                                                                             \
	X(7_EDX, 25, "amx_int8")                                                                             \
	X(7_1_EAX, 0, "sha512")                                                                              \
	X(7_1_EAX, 1, "sm3")                                                                                 \
	X(7_1_EAX, 2, "sm4")                                                                                 \
	X(7_1_EAX, 4, "avx_vnni")                                                                            \
	X(7_1_EAX, 5, "avx512_bf16")                                                                         \
	X(7_1_EAX, 7, "cmpccxadd")                                                                           \
	X(7_1_EAX, 10, "fzrm")                                                                               \
	X(7_1_EAX, 11, "fsrs")                                                                               \
	X(7_1_EAX, 12, "fsrc")                                                                               \
	X(7_1_EAX, 21, "amx_fp16")                                                                           \
	X(7_1_EAX, 23, "avx_ifma")                                                                           \
	X(D_1_EAX, 0, "xsaveopt")                                                                            \
	X(D_1_EAX, 1, "xsavec")                                                                              \
	X(D_1_EAX, 2, "xgetbv1")                                                                             \
	X(80000001_ECX, 0, "lahf_lm")                                                                        \
	X(80000001_ECX, 5, "lzcnt")                                                                          \
	X(80000001_ECX, 6, "sse4a")                                                                          \
	X(80000001_ECX, 11, "xop")                                                                           \
	X(80000001_ECX, 16, "fma4")                                                                          \
	X(80000001_ECX, 21, "tbm")                                                                           \
	X(80000001_EDX, 27, "rdtscp")                                                                        \
	X(XCR0_LOW, 1, "xcr0_sse")                                                                           \
	X(XCR0_LOW, 2, "xcr0_avx")                                                                           \
	X(XCR0_LOW, 5, "xcr0_opmask")                                                                        \
	X(XCR0_LOW, 6, "xcr0_zmm_hi256")                                                                     \
	X(XCR0_LOW, 7, "xcr0_hi16_zmm")                                                                      \
	X(XCR0_LOW, 9, "xcr0_pkru")                                                                          \
	X(XCR0_LOW, 17, "xcr0_tilecfg")                                                                      \
	X(XCR0_LOW, 18, "xcr0_tiledata")

const struct snapimg_cpu_feature snapimg_cpu_features[] = {
#define X(word, bit, name) {SNAPIMG_CPU_##word, (bit), (name)},
        CPU_FEATURES(X)
#undef X
};

const uint32_t snapimg_cpu_feature_count = sizeof(snapimg_cpu_features) / sizeof(*snapimg_cpu_features);

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

void snapimg_cpu_read(uint32_t words[SNAPIMG_CPU_WORDS])
{
	uint32_t read[SNAPIMG_CPU_WORDS] = {0}, known[SNAPIMG_CPU_WORDS] = {0}, i;

	for (i = 0; i < snapimg_cpu_feature_count; i++)
		known[snapimg_cpu_features[i].word] |= UINT32_C(1) << snapimg_cpu_features[i].bit;
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
