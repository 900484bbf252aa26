/* Shared memory that has no file to be found again: MAP_SHARED|MAP_ANONYMOUS, memfds and deleted files. */
#ifndef TRACER_SHARED_H
#define TRACER_SHARED_H

#include "mappings.h"
#include "pages.h"
#include "process_state.h"

/* Such a mapping comes back as shared anonymous memory with its content. Refused is what that can't be: an
 * object that is mapped more than once or in parts, has a descriptor, or is mapped by another process. */
enum status shared_check(const struct helper *helper, const struct mappings *mappings)
        __attribute__((warn_unused_result));

/* Visits the pages that the object has, whoever made them: the process's own page tables don't tell. */
enum status shared_walk(const struct helper *helper, const struct vma *vma, pages_visitor *visit,
                        void *context) __attribute__((warn_unused_result));

#endif
