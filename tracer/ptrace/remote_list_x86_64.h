/* Code that makes a list of calls in the target, one after the other, and ends at a breakpoint. */
#ifndef TRACER_PTRACE_REMOTE_LIST_X86_64_H
#define TRACER_PTRACE_REMOTE_LIST_X86_64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "tracer/ptrace/remote.h"

/* Position-independent; it uses no stack. */
extern const uint8_t list_code[];
extern const uint8_t list_code_end[]; /* after the breakpoint, where a thread stands that has come there */

/* The list, as the code reads it, at an address of the target: at most REMOTE_ASKS_MAX, in one page; and the
 * answers in it. Return 0, or -1 with errno. */
int list_write(pid_t tid, uint64_t list, const struct remote_ask *ask, size_t count);
int list_read(pid_t tid, uint64_t list, struct remote_ask *ask, size_t count);

/* The registers of a thread that is to run the code at `code` over `count` calls at `list`. */
void list_begin(struct user_regs_struct *registers, uint64_t code, uint64_t list, size_t count);

#endif
