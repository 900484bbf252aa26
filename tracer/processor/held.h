/*
 * Memory that is writable and executable at once: code may be written there at any time, and ask the
 * processor. So each page of it is executable for the processor only from the first jump into it; what
 * stands there then is looked through first.
 */
#ifndef TRACER_PROCESSOR_HELD_H
#define TRACER_PROCESSOR_HELD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "tracer/ptrace/tracee.h"

/* At the entry of a call that makes memory executable: if it is to be writable, too, it's made only that.
 * tracee->registers: as the program made the call. */
void held_ask(const struct tracee *tracee);
/* At its end: the registers are the program's again, and if it was made only that, the memory is held back:
 * true. */
bool held_note(const struct tracee *tracee, struct user_regs_struct *registers, uint64_t start, uint64_t end);

/* At a SIGSEGV of the thread: true if it jumped into such memory, which is executable now. */
enum status held_jump(const struct tracee *tracee, const siginfo_t *info, bool *ret_jumped)
        __attribute__((warn_unused_result));

/* All of it is as the program has it, from now on. The thread can run calls. */
enum status held_give(const struct tracee *tracee) __attribute__((warn_unused_result));

#endif
