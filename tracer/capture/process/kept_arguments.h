/* Where constructors that ran before the point have kept main's arguments: libraries of Rust do. */
#ifndef TRACER_CAPTURE_PROCESS_KEPT_ARGUMENTS_H
#define TRACER_CAPTURE_PROCESS_KEPT_ARGUMENTS_H

#include <sys/user.h>

#include "tracer/capture/memory/mappings.h"

/* At a point that is resumed as main, whose registers tell its arguments. */
enum status fixups_add_kept_arguments(struct fixups *fixups, pid_t pid, const struct mappings *mappings,
                                      const struct user_regs_struct *registers)
        __attribute__((warn_unused_result));

#endif
