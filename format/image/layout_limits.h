/* Sizes and bounds that the records of layout.h share. */
#ifndef FORMAT_IMAGE_LAYOUT_LIMITS_H
#define FORMAT_IMAGE_LAYOUT_LIMITS_H

#include <stdint.h>

enum {
	SNAPIMG_PAGE_SIZE = 4096,
	SNAPIMG_HEADER_AREA = 4096,   /* the header and the zeros after it; the digest covers it all */
	SNAPIMG_ALIGNMENT = 64,       /* of every section but DATA, and of the section table */
	SNAPIMG_EXTENT_MAX = 1 << 20, /* bytes of pages in one extent */
	SNAPIMG_MAX_SECTIONS = 64,
	SNAPIMG_BUILD_ID_MAX = 32,
	SNAPIMG_COMM_SIZE = 16, /* TASK_COMM_LEN of the kernel */
	SNAPIMG_DIGEST_SIZE = 16,
	SNAPIMG_BOOT_ID_SIZE = 16,        /* a UUID */
	SNAPIMG_AUXV_MAX = 64,            /* entries; the kernel's own saved_auxv is smaller */
	SNAPIMG_DESCRIPTOR_MAX = 1 << 20, /* numbers are below it */
	SNAPIMG_XSTATE_MIN = 576,         /* XSAVE: the legacy area and the XSTATE header */
	SNAPIMG_RESUME_SIZE = 56,         /* one struct snap_resume of preload/contract.h */
};
/* Of all sections but DATA together: what a reader must hold in memory. */
#define SNAPIMG_METADATA_MAX  (UINT64_C(1) << 32)
/* x86-64 user addresses end at or below this (Documentation/arch/x86/x86_64/mm.rst). */
#define SNAPIMG_TASK_SIZE_MAX (UINT64_C(1) << 47)

#endif
