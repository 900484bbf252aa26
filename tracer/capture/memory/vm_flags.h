/* What becomes of each flag that smaps shows of a mapping (VmFlags). */
#ifndef TRACER_CAPTURE_MEMORY_VM_FLAGS_H
#define TRACER_CAPTURE_MEMORY_VM_FLAGS_H

#include "format/base/maps.h"

/* What the image can't say of a mapping that it carries: a line for a seal, and for a flag of a kernel that
 * is newer than the table. */
void vm_flags_tell(const struct vma *vma);
/* The letters of the first flag that the table doesn't have, or NULL; they are not NUL-terminated. */
const char *vm_flags_unknown(const struct vma *vma);

#endif
