#include "tracer/capture/memory/vm_flags.h"

#include <inttypes.h>
#include <string.h>

#include "format/image/layout.h"

/* All of show_smap_vma_flags() in fs/proc/task_mmu.c (Linux 5.15 to 6.19) but those of other architectures.
 * X(letters, what becomes of it): GIVEN by the mapping's kind, protection, sharing and descriptor; CARRIED by
 * a flag of the record (and all of SNAPIMG_ADVICE); REFUSED, in mappings.c; the KERNEL's own, which comes
 * back where it matters; EMPTY: the kernel may drop its pages at any time, and they do come back zeroed;
 * TOLD. */
#define VM_FLAGS(X)                                                                                          \
	X("rd", GIVEN)                                                                                       \
	X("wr", GIVEN)                                                                                       \
	X("ex", GIVEN)                                                                                       \
	X("sh", GIVEN)                                                                                       \
	X("mr", GIVEN)                                                                                       \
	X("mw", CARRIED)                                                                                     \
	X("me", GIVEN)                                                                                       \
	X("ms", GIVEN)                                                                                       \
	X("gd", CARRIED)                                                                                     \
	X("ac", GIVEN)                                                                                       \
	X("nr", CARRIED)                                                                                     \
	X("pf", REFUSED)                                                                                     \
	X("io", REFUSED)                                                                                     \
	X("ht", REFUSED)                                                                                     \
	X("sf", REFUSED)                                                                                     \
	X("um", REFUSED)                                                                                     \
	X("uw", REFUSED)                                                                                     \
	X("ui", REFUSED)                                                                                     \
	X("ss", REFUSED)                                                                                     \
	X("dw", KERNEL) /* VM_DENYWRITE, up to 5.15 */                                                       \
	X("de", KERNEL) /* the vdso's, and what is refused */                                                \
	X("ar", KERNEL) /* with "pf" */                                                                      \
	X("mp", KERNEL)                                                                                      \
	X("mm", KERNEL)  /* files of filesystems in memory (DAX) */                                          \
	X("sd", KERNEL)  /* soft-dirty */                                                                    \
	X("gu", KERNEL)  /* there may be guard pages */                                                      \
	X("dp", CARRIED) /* and comes back zeroed */                                                         \
	X("??", CARRIED) /* VM_LOCKONFAULT before Linux 6.2 */                                               \
	X("sl", CARRIED)

static bool is_known(const char letters[2])
{
	static const char known[][3] = {
#define X(letters, fate) letters,
	        VM_FLAGS(X)
#undef X
#define X(name, bit, letters, advice) letters,
	                SNAPIMG_ADVICE(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (memcmp(letters, known[i], 2) == 0)
			return true;
	return false;
}

const char *vm_flags_unknown(const struct vma *vma)
{
	const char *at = vma->flags;

	for (at += strspn(at, " "); at[0] && at[1]; at += strspn(at, " ")) {
		if (!is_known(at))
			return at;
		at += 2;
	}
	return NULL;
}

void vm_flags_tell(const struct vma *vma)
{
	const char *unknown = vm_flags_unknown(vma);

	if (unknown)
		tell("the flag \"%.2s\" of the mapping %" PRIx64 "-%" PRIx64
		     " is not known, and not kept: this kernel is newer than snaptrace",
		     unknown, vma->start, vma->end);
}
