/* What was seen of a process's system calls that its state doesn't show afterwards. */
#ifndef TRACER_PTRACE_NOTED_H
#define TRACER_PTRACE_NOTED_H

#include <stdint.h>

/* X(NAME, bit, whether it outlives an exec).
 * The first ones: it was set by the program to what it was already, the caller's; so only the call tells that
 * it's the program's. The others can't be read at all, or only at a cost that few programs are worth. */
#define NOTED(X)                                                                                             \
	X(DIRECTORY, 0, true)                                                                                \
	X(UMASK, 1, true)                                                                                    \
	X(NICE, 2, true)                                                                                     \
	X(SCHEDULING, 3, true)                                                                               \
	X(AFFINITY, 4, true)                                                                                 \
	X(IO_PRIORITY, 5, true)                                                                              \
	X(PERSONALITY, 6, true)                                                                              \
	X(TIMER_SLACK, 7, true)                                                                              \
	X(SECURE_BITS, 8, true)                                                                              \
	X(LANDLOCK, 9, true)                                                                                 \
	X(SEMAPHORE_UNDO, 10, true) /* semop(2) with SEM_UNDO */                                             \
	X(MEMORY_PLACED, 11, false) /* mbind(2) */                                                           \
	X(PORTS, 12, false)         /* iopl(2) */                                                            \
	X(OF_THREAD, 13, true)    /* any call that sets what a thread has for itself: a look is worth it */  \
	X(DISPATCH, 14, false)    /* PR_SET_SYSCALL_USER_DISPATCH */                                         \
	X(TERMINAL, 15, true)     /* modes of a terminal */                                                  \
	X(TRACER, 16, true)       /* ptrace(2): it may have traced another process */                        \
	X(PARENT, 17, false)      /* getppid(2) */                                                           \
	X(SPECULATION, 18, true)  /* PR_SET_SPECULATION_CTRL */                                              \
	X(FUTEX_SLOTS, 19, false) /* PR_FUTEX_HASH_SET_SLOTS */
enum noted_bit {
#define X(name, bit, outlives) NOTED_##name = 1 << (bit),
	NOTED(X)
#undef X
};

struct noted {
	uint32_t bits;
	uint32_t limits;      /* bit r: resource limit r, as the first ones above */
	uint64_t ignored;     /* bit s - 1: signal s was ignored by a call, where the caller ignores it */
	uint32_t membarriers; /* the commands that registered for membarrier(2) */
};

#endif
