/* /proc/self/maps, read without a C library: in any thread, in a signal handler, inside malloc. */
#ifndef PRELOAD_SHIM_PROCESS_MAPS_H
#define PRELOAD_SHIM_PROCESS_MAPS_H

#include <stdbool.h>
#include <stdint.h>

struct process_mapping {
	uint64_t start, end, offset, inode;
	int protection; /* PROT_... */
	bool shared;
};

/* Is given each mapping that has a part of [start, end), in order, while it returns true. */
typedef bool process_visitor(void *context, const struct process_mapping *mapping);

/* False: there is no /proc. */
__attribute__((visibility("hidden"))) bool process_maps_visit(uint64_t start, uint64_t end,
                                                              process_visitor *visit, void *context);

/* The marks of the mapping that has the address, two letters each, as "VmFlags" of /proc/self/smaps names
 * them (proc(5)). Returns how many letters; 0 where there is no /proc. */
enum { SHIM_MARKS_MAX = 64 };
__attribute__((visibility("hidden"))) unsigned process_marks(uint64_t address,
                                                             char ret_names[SHIM_MARKS_MAX]);

/* Whether a pidfd is of this process. */
__attribute__((visibility("hidden"))) bool process_is_self(int descriptor);

/* Copies memory of the program's that may not be there; false then. */
__attribute__((visibility("hidden"))) bool process_read_self(void *to, uint64_t from, uint64_t size);

/* How many threads there are; 0: there is no /proc. */
__attribute__((visibility("hidden"))) unsigned process_threads(void);

/* A system call; -errno on failure. */
static inline long shim_call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

#endif
