/*
 * Is this the machine that the image needs, and has it the same vdso? The
 * program's libraries have chosen code by the processor's features, and hold
 * pointers into the vdso, so both must be as they were.
 */
#include <asm/errno.h>
#include <cpuid.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "format/facts/bootid.h"
#include "format/facts/checksum.h"
#include "format/facts/cpu.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"
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

/* The first mapping of the kernel's own pages (vvar and vdso lie together), and the vdso's. */
struct kernel_pages {
	uint32_t first, count;
	uint64_t vdso_start; /* 0: none */
};

static struct kernel_pages find_kernel_pages(void)
{
	struct kernel_pages pages = {0};
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_VVAR && mapping[i].kind != SNAPIMG_MAPPING_VDSO)
			continue;
		if (pages.count == 0)
			pages.first = i;
		pages.count = i - pages.first + 1;
		if (mapping[i].kind == SNAPIMG_MAPPING_VDSO)
			pages.vdso_start = mapping[i].start;
	}
	return pages;
}

static void check_vdso(const struct snapimg_machine *needed)
{
	if (needed->vdso_size == 0)
		return;
	if (snapimg_checksum((const void *)loader.stack.vdso, needed->vdso_size) != needed->vdso_checksum)
		die(EXIT_REFUSED, loader.options.image, ": made on a kernel with another vdso (",
		    snapimg_string(&loader.image, snapimg_get_origin(&loader.image)->kernel),
		    "): freeze the program under this kernel");
}

/* In the boot that the image was made in, the processor and the kernel are still the same. Finding that out
 * takes a few system calls; asking the processor takes longer under virtualisation (6 us a CPUID leaf), and
 * so does a look at the vdso, which would be touched for the first time. */
static bool is_same_boot(const struct snapimg_machine *needed)
{
	static const uint8_t unknown[SNAPIMG_BOOT_ID_SIZE];
	uint8_t boot_id[SNAPIMG_BOOT_ID_SIZE];
	char text[64];
	if (memcmp(needed->boot_id, unknown, sizeof unknown) == 0)
		return false;
	long descriptor = sys(__NR_openat, AT_FDCWD, SNAPIMG_BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return false;
	long size = sys(__NR_read, descriptor, text, sizeof text);
	sys(__NR_close, descriptor);
	return size > 0 && snapimg_boot_id(text, (size_t)size, boot_id) &&
	       memcmp(boot_id, needed->boot_id, sizeof boot_id) == 0;
}

void machine_check(void)
{
	const struct snapimg_machine *needed = snapimg_get_machine(&loader.image);
	if (needed->task_size > USER_END)
		die(EXIT_REFUSED, loader.options.image, ": uses addresses above ", hex(USER_END),
		    ": freeze it under a kernel with four-level page tables");
	if (needed->vdso_size != 0 && loader.stack.vdso == 0)
		die(EXIT_REFUSED, loader.options.image,
		    ": this kernel gives no vdso, which the image needs: boot without vdso=0");
	if (is_same_boot(needed))
		return;
	check_features(needed);
	check_xstate_layout(needed);
	check_vdso(needed);
}

/*
 * The same vdso means the same kernel build, so the pages before it lie as they did in the image:
 * each mapping moves by the same distance. mremap moves one mapping at a time.
 */
static void move_kernel_pages(uint64_t from_vdso, uint64_t to_vdso, struct kernel_pages pages)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image) + pages.first;
	for (uint32_t i = 0; i < pages.count; i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_VVAR && mapping[i].kind != SNAPIMG_MAPPING_VDSO)
			continue;
		uint64_t distance = mapping[i].start - pages.vdso_start;
		uint64_t size = mapping[i].end - mapping[i].start;
		long result = sys(__NR_mremap, from_vdso + distance, size, size,
		                  MREMAP_MAYMOVE | MREMAP_FIXED, to_vdso + distance);
		if (result < 0)
			die(EXIT_REFUSED, loader.options.image, ": cannot move the kernel's ",
			    snapimg_string(&loader.image, mapping[i].name), ": ", error_text(result),
			    result == -EPERM
			            ? ": this kernel seals it: boot with mseal of system mappings off"
			            : "");
	}
}

struct range machine_kernel_pages(void)
{
	struct kernel_pages pages = find_kernel_pages();
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image) + pages.first;
	if (pages.vdso_start == 0)
		return (struct range){0};
	return (struct range){mapping[0].start, mapping[pages.count - 1].end};
}

/* Far enough inside its part of the zone for the vvar pages before it. */
#define PARKED_VDSO (ZONE_VDSO + 0x10000000ull)

/* Straight to its place, unless that overlaps where it is now. */
void machine_place_vdso(void)
{
	struct kernel_pages pages = find_kernel_pages();
	struct range wanted = machine_kernel_pages();
	uint64_t from = loader.stack.vdso;
	uint64_t distance = from > pages.vdso_start ? from - pages.vdso_start : pages.vdso_start - from;
	if (pages.vdso_start == 0 || distance == 0)
		return;
	if (distance < wanted.end - wanted.start) {
		move_kernel_pages(from, PARKED_VDSO, pages);
		from = PARKED_VDSO;
	}
	move_kernel_pages(from, pages.vdso_start, pages);
}
