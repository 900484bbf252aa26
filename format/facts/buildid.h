/* Finds the GNU build-id note of an ELF64 file: pure, over bytes, for the tracer and the loader. */
#ifndef FORMAT_FACTS_BUILDID_H
#define FORMAT_FACTS_BUILDID_H

#include "format/image/layout.h"

/* Looks in [elf, elf + size), the beginning of an ELF file (one page is enough for the linkers in use, which
 * put notes first). Copies at most SNAPIMG_BUILD_ID_MAX bytes to build_id and returns their number; 0 when
 * there is none there. */
uint32_t snapimg_build_id(const void *elf, size_t size, uint8_t build_id[SNAPIMG_BUILD_ID_MAX]);

#endif
