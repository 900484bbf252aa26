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
#include "restore/look/vdso.h"
#include "restore/zone.h"

/* State components that the kernel gives only to those who ask (arch_prctl(ARCH_REQ_XCOMP_PERM)): AMX. */
#define XFEATURES_ON_REQUEST (3ull << 17)

static void check_features(const struct snapimg_machine *needed)
{
	uint32_t have[SNAPIMG_CPU_WORDS], missing[SNAPIMG_CPU_WORDS];
	bool complete = true;
	snapimg_cpu_read(have);
	for (uint32_t i = 0; i < SNAPIMG_CPU_WORDS; i++) {
		missing[i] = needed->cpu_features[i] & ~have[i];
		complete = complete && missing[i] == 0;
	}
	if (complete)
		return;
	const struct snapimg_cpu_feature *feature = snapimg_cpu_next(missing, 0);
	die(EXIT_REFUSED, loader.options.image, ": this processor lacks ",
	    feature != NULL ? feature->name : "a feature that this version has no name for",
	    ", which the image needs: freeze the program on a machine like this one");
}

/* The register frame has the recorded layout, which sigreturn takes as this machine's. */
static void check_xstate_layout(const struct snapimg_machine *needed)
{
	uint32_t low, high;
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

/* At every start: a virtual machine that is moved to another processor keeps its kernel, and its boot id. */
void machine_check(void)
{
	const struct snapimg_machine *needed = snapimg_get_machine(&loader.image);
	if (needed->task_size > USER_END)
		die(EXIT_REFUSED, loader.options.image, ": uses addresses above ", hex(USER_END),
		    ": freeze it under a kernel with four-level page tables");
	vdso_check();
	check_features(needed);
	check_xstate_layout(needed);
}
