/* A signal frame that brings a thread back to where it was, whoever lets it run. */
#ifndef TRACER_PTRACE_REMOTE_FRAME_X86_64_H
#define TRACER_PTRACE_REMOTE_FRAME_X86_64_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "tracer/ptrace/remote.h"

/* Writes the frame for a thread with these registers (as they were read at its stop) and mask into the gate's
 * room; *ret_stack is the stack pointer that a handler would be given. False: there is no way back, or no
 * room for its state. */
bool frame_write(pid_t tid, const struct remote_gate *gate, const struct user_regs_struct *registers,
                 uint64_t mask, uint64_t *ret_stack);
/* The room is all zeros again. */
void frame_clear(pid_t tid, const struct remote_gate *gate);

#endif
