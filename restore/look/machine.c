/*
 * Is this the machine that the image needs? The program's libraries have
 * chosen code by the processor's features, so these must be there.
 */
#include <asm/errno.h>
#include <cpuid.h>

#include "format/facts/cpu.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"
#include "restore/look/check.h"
#include "restore/look/vdso.h"
#include "restore/zone.h"

/* State components that the kernel gives only to those who ask (arch_prctl(ARCH_REQ_XCOMP_PERM)): AMX. */
#define XFEATURES_ON_REQUEST (3ull << 17)
/* x87 and SSE, which FXSAVE keeps. */
#define XFEATURES_LEGACY     3u

enum { OSXSAVE = 1 << 27, PKRU = 1 << 9, NAMES_ROOM = 4096 };

/* The names of features, as a list for people. */
static const char *names_of(const uint32_t words[SNAPIMG_CPU_WORDS], char names[NAMES_ROOM])
{
	const struct snapimg_cpu_feature *feature = snapimg_cpu_next(words, 0);
	size_t length = 0;
	if (feature == NULL)
		return "a feature that this version has no name for";
	while (feature != NULL) {
		uint32_t row = (uint32_t)(feature - snapimg_cpu_features) + 1;
		const struct snapimg_cpu_feature *next = snapimg_cpu_next(words, row);
		const char *between = length == 0 ? "" : next == NULL ? " and " : ", ";
		if (length + strlen(between) + sizeof(feature->name) >= NAMES_ROOM)
			break;
		memcpy(names + length, between, strlen(between));
		length += strlen(between);
		memcpy(names + length, feature->name, strlen(feature->name));
		length += strlen(feature->name);
		feature = next;
	}
	names[length] = '\0';
	return names;
}

static void check_features(const struct snapimg_machine *needed, const uint32_t have[SNAPIMG_CPU_WORDS])
{
	static const char needs_other[] =
	        ", which the image needs: freeze the program on a machine like this one, or "
	        "with --cpu=x86-64-v2";
	uint32_t missing[SNAPIMG_CPU_WORDS];
	char names[NAMES_ROOM];
	bool complete = true;
	for (uint32_t i = 0; i < SNAPIMG_CPU_WORDS; i++)
		missing[i] = needed->cpu_features[i] & ~have[i];
	snapimg_cpu_leave_hints(missing); /* older images ask for them */
	for (uint32_t i = 0; i < SNAPIMG_CPU_WORDS; i++)
		complete = complete && missing[i] == 0;
	if (complete)
		return;
	die(EXIT_REFUSED, loader.options.image, ": this processor lacks ", names_of(missing, names),
	    needs_other);
}

/* A dynamic linker that binds a function at its first call saves the extended state in a buffer of the size
 * that it had at the program's start: more would overwrite what follows it on the stack (FORMAT.md,
 * PROCESSOR). */
static void check_more_state(const struct snapimg_machine *needed, const uint32_t have[SNAPIMG_CPU_WORDS])
{
	static const char binds_late[] =
	        ") than the program was prepared for, which may bind functions when they are "
	        "first called: freeze it with --cpu=x86-64-v3 or lower, or with "
	        "LD_BIND_NOW=1 in its environment";
	uint32_t more[SNAPIMG_CPU_WORDS] = {0};
	char names[NAMES_ROOM];
	if (snapimg_processor_count(&loader.image) > 0 &&
	    (snapimg_get_processor(&loader.image)->flags & SNAPIMG_PROCESSOR_ANY_STATE) != 0)
		return;
	more[SNAPIMG_CPU_XCR0_LOW] =
	        have[SNAPIMG_CPU_XCR0_LOW] & ~needed->cpu_features[SNAPIMG_CPU_XCR0_LOW] & ~(uint32_t)PKRU;
	if (more[SNAPIMG_CPU_XCR0_LOW] != 0)
		die(EXIT_REFUSED, loader.options.image, ": this processor keeps more register state (",
		    names_of(more, names), binds_late);
}

/* The register frame has the recorded layout, which sigreturn takes as this machine's. */
static void check_xstate_layout(const struct snapimg_machine *needed,
                                const uint32_t have_words[SNAPIMG_CPU_WORDS])
{
	uint32_t low = XFEATURES_LEGACY, high = 0;
	if ((have_words[SNAPIMG_CPU_1_ECX] & OSXSAVE) != 0) /* else the instruction is none */
		__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	uint64_t have = (uint64_t)high << 32 | low;
	if ((needed->xfeatures & ~have) != 0)
		die(EXIT_REFUSED, loader.options.image, ": this machine does not keep the register state ",
		    hex(needed->xfeatures & ~have), ", which the image needs: freeze the program here");
	/* Components 2 and up have a place each; the topmost ends the area (CPUID leaf 0xd). */
	uint64_t upper = needed->xfeatures & ~XFEATURES_ON_REQUEST & ~(uint64_t)3;
	uint32_t size = 576; /* the FXSAVE area and the XSAVE header */
	if (upper != 0) {
		uint32_t component = 63 - (uint32_t)__builtin_clzll(upper);
		uint32_t bytes, offset, ecx, edx;
		__cpuid_count(0xd, component, bytes, offset, ecx, edx);
		size = offset + bytes;
	}
	if (size != needed->xstate_size)
		die(EXIT_REFUSED, loader.options.image, ": register state of ", dec(needed->xstate_size),
		    " bytes is laid out otherwise here (", dec(size),
		    "): freeze the program on this kind of processor");
}

static void check_task_size(const struct snapimg_machine *needed, const uint32_t have[SNAPIMG_CPU_WORDS])
{
	(void)have;
	if (needed->task_size > USER_END)
		die(EXIT_REFUSED, loader.options.image, ": uses addresses above ", hex(USER_END),
		    ": freeze it under a kernel with four-level page tables");
}

static void check_vdso(const struct snapimg_machine *needed, const uint32_t have[SNAPIMG_CPU_WORDS])
{
	(void)needed, (void)have;
	vdso_check();
}

const struct machine_check machine_checks[] = {
        {"address", check_task_size, false},      {"kernel", check_vdso, false},
        {"processor", check_features, true},      {"processor", check_more_state, true},
        {"processor", check_xstate_layout, true}, {NULL, NULL, false},
};

/* At every start: a virtual machine that is moved to another processor keeps its kernel, and its boot id. */
void machine_check(void)
{
	const struct snapimg_machine *needed = snapimg_get_machine(&loader.image);
	uint32_t have[SNAPIMG_CPU_WORDS];
	bool is_same = snapimg_cpu_is_same(needed->cpu_features);
	if (!is_same)
		snapimg_cpu_read(have);
	for (const struct machine_check *check = machine_checks; check->run != NULL; check++)
		if (!(is_same && check->asks_processor))
			check->run(needed, have);
}
