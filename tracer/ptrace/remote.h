/*
 * Makes a stopped thread run system calls of the tracer's choice, with no
 * change to its code: it borrows a syscall instruction of the vdso.
 */
#ifndef TRACER_PTRACE_REMOTE_H
#define TRACER_PTRACE_REMOTE_H

#include <stdint.h>
#include <sys/types.h>

#include "format/base/message.h"

/* Finds a `syscall` instruction in the vdso of pid, which lies where /proc/PID/maps says. That file is closed
 * to a tracer without privilege once the process has made itself undumpable (proc(5)); then *gate, if it
 * isn't 0, is kept as it was found before. */
enum status inject_find_gate(pid_t pid, uint64_t *gate) __attribute__((warn_unused_result));

/*
 * Runs system call `number` in thread tid, which must be in a ptrace-stop that is not a
 * syscall-entry or seccomp stop, and puts all registers back. *ret_result is what the kernel
 * returned (-errno on failure). Signals that arrive meanwhile are kept pending by the kernel
 * (PTRACE_SETSIGMASK around the call). Needs PTRACE_O_TRACESYSGOOD. seccomp stops of the
 * tracer's own filter are passed over.
 */
enum status inject_syscall(pid_t tid, uint64_t gate, long number, const uint64_t arguments[6],
                           int64_t *ret_result) __attribute__((warn_unused_result));

#endif
