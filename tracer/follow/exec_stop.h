/* What is done to each new program before its first instruction. */
#ifndef TRACER_FOLLOW_EXEC_STOP_H
#define TRACER_FOLLOW_EXEC_STOP_H

#include "tracer/run.h"

/*
 * tracee is the only thread of a chosen process, at the syscall-stop that ends its exec. Puts a page after
 * its break so that no heap grows there, gives it the shim, and arms the points; of a process that was
 * attached to only the last.
 */
enum status exec_stop_prepare(struct run *run, struct tracee *tracee) __attribute__((warn_unused_result));

/* What the kernel told the program about itself. */
struct auxiliary {
	uint64_t entry, secure, name, random; /* AT_ENTRY, AT_SECURE, AT_EXECFN, AT_RANDOM */
};
enum status exec_stop_read_auxiliary(pid_t pid, struct auxiliary *ret_auxiliary)
        __attribute__((warn_unused_result));
/* Arms all points in a process whose entry and bias are known. */
enum status exec_stop_arm(struct run *run, struct tracee *tracee, const struct elf_file *executable)
        __attribute__((warn_unused_result));

/* Finds the shim relative to snaptrace's own executable: installed, or in the build tree. *ret_path is for
 * the caller to free. */
enum status exec_stop_find_shim(char **ret_path) __attribute__((warn_unused_result));

#endif
