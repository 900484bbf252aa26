/* The last step: the program's registers. */
#ifndef RESTORE_BECOME_RESUME_X86_64_H
#define RESTORE_BECOME_RESUME_X86_64_H

#include <stdint.h>

struct capability_sets;
struct crew;

/* Bytes that the register frame takes in the resume area. */
uint64_t thread_frame_size(void);

/* resume_tail_x86_64.S: copied to the resume area's first page. */
extern const uint8_t resume_tail[], resume_tail_park[], resume_tail_end[];
static inline uint64_t resume_park_offset(void)
{
	return (uint64_t)(resume_tail_park - resume_tail);
}

/* Leaves the loader's stack for good: unmaps [zone, zone + size) and makes rt_sigreturn with the frame at
 * `context`, by the code at `tail`. executable: a descriptor for /proc/self/exe, which `marks`, a struct
 * prctl_mm_map, has too; or negative. crew: the other threads, which then run; NULL: there are none.
 * capabilities: those that the thread is to have; NULL: they are right. reservation: what `reserved` bytes
 * from the zone's beginning on become then (loader.reservation). */
_Noreturn void resume_jump(uint64_t tail, uint64_t zone, uint64_t size, uint64_t context, int executable,
                           uint64_t marks, struct crew *crew, const struct capability_sets *capabilities,
                           uint32_t reservation, uint64_t reserved);
/* Waits in the tail's code at `code` until the crew may run, and becomes the thread of the frame, with this
 * robust list (set_robust_list(2); 0: none). */
_Noreturn void resume_park(uint64_t code, struct crew *crew, uint64_t context, uint64_t robust,
                           uint64_t robust_size);
/* Calls function(argument) on the stack that ends at stack_top. */
void resume_call(void (*function)(void *), void *argument, uint64_t stack_top);

#endif
