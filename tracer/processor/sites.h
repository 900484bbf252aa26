/*
 * The places where traced processes ask their processor: each `cpuid` in what is mapped executable is an
 * int3, and answered here. Which processes have one at an address is told by the bytes there: they go with
 * memory, as it is copied, shared, mapped and unmapped.
 */
#ifndef TRACER_PROCESSOR_SITES_H
#define TRACER_PROCESSOR_SITES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tracer/ptrace/tracee.h"

/* The memory of a process that made itself undumpable is closed to a tracer without privilege: it's opened,
 * and closed again with what came of it. The thread can run calls. */
enum status sites_open_memory(const struct tracee *tracee, struct remote *ret_remote)
        __attribute__((warn_unused_result));
enum status sites_close_memory(struct remote *remote, enum status status) __attribute__((warn_unused_result));

/* Called once, before anything runs: programs are shown a processor of that level (enum snapimg_level). */
void sites_begin(uint32_t level);

/* Plants them in the executable mappings between two addresses; the thread can run calls. Code that other
 * processes may share is left as it is, and told of. */
enum status sites_plant(const struct tracee *tracee, uint64_t start, uint64_t end)
        __attribute__((warn_unused_result));
/* Takes them out of all of the process's memory. */
enum status sites_take_out(const struct tracee *tracee) __attribute__((warn_unused_result));

/* At an int3 of the kernel's making, with the thread's registers: if it's one of these, it is answered and
 * the thread stands after it. */
bool sites_answer(const struct tracee *tracee, const struct user_regs_struct *registers);

/* The first cpuid instruction in memory that no file is mapped to, and that is not met: the program made that
 * code, after it had made the memory executable. 0: there is none. */
enum status sites_find_unmet(const struct tracee *tracee, uint64_t *ret_address)
        __attribute__((warn_unused_result));

#endif
