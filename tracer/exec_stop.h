/* What is done to each new program before its first instruction. */
#ifndef TRACER_EXEC_STOP_H
#define TRACER_EXEC_STOP_H

#include "run.h"

/*
 * tracee is the only thread of its process, at the syscall-stop that ends its exec. Decides whether the
 * point applies to the new program (process->selected); if so, puts a page behind its break so that no
 * heap grows there, gives it the shim, and arms the point.
 */
enum status exec_stop_prepare(struct run *run, struct tracee *tracee) __attribute__((warn_unused_result));

/* Finds the shim relative to snaptrace's own executable: installed, or in the build tree. *ret_path is for
 * the caller to free. */
enum status exec_stop_find_shim(char **ret_path) __attribute__((warn_unused_result));

#endif
