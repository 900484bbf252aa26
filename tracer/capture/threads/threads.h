/* What belongs to each thread: registers, signal mask and stack, robust list, name, pending signals. */
#ifndef TRACER_CAPTURE_THREADS_THREADS_H
#define TRACER_CAPTURE_THREADS_THREADS_H

#include <sys/user.h>

#include "tracer/capture/memory/mappings.h"
#include "tracer/capture/process/state.h"
#include "tracer/ptrace/stop_threads.h"

enum { XSTATE_ROOM = 16384 }; /* with AMX's tiles about 11 KiB */

struct threads {
	const struct stopped_threads *stopped;
	size_t count;
	struct snapimg_thread *thread;
	struct user_regs_struct *registers; /* as they were read */
	const char **call;                  /* what is made again; NULL: none */
	uint8_t *xstate;                    /* XSTATE_ROOM bytes each */
	uint32_t xstate_size;               /* of which these are written */
	struct snapimg_pending *pending;
	size_t pending_count;
};

/* Registers and rseq, by ptrace(2) alone: before any call is made in the target. */
enum status threads_read_registers(const struct stopped_threads *stopped, struct threads *threads)
        __attribute__((warn_unused_result));
enum status threads_refuse(const struct threads *threads, const struct subject *subject)
        __attribute__((warn_unused_result));
/* apart.c: refuses the process if one of its threads has descriptors or a directory of its own. */
enum status threads_refuse_apart(const struct subject *subject, const struct remote *remote)
        __attribute__((warn_unused_result));
/* threads/partial.c */
enum status threads_refuse_partial(const struct threads *threads, const struct subject *subject)
        __attribute__((warn_unused_result));
/* All the rest; makes the registers ready to be resumed, for which the signal actions in state are needed. */
enum status threads_read(struct threads *threads, const struct remote *remote, const struct vma *vdso,
                         struct process_state *state) __attribute__((warn_unused_result));
/* Cached thread ids, and the owners of robust mutexes that are held. */
enum status threads_add_fixups(const struct threads *threads, pid_t pid, const struct mappings *mappings,
                               struct fixups *fixups) __attribute__((warn_unused_result));
enum snapimg_error threads_write(const struct threads *threads, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void threads_free(struct threads *threads);

/* threads_pending.c: pending signals, those that some thread was about to be given among them. */
enum status threads_read_pending(struct threads *threads, const struct subject *subject)
        __attribute__((warn_unused_result));
/* The first signal that the thread takes as soon as it goes on, or 0. */
int threads_next_signal(const struct threads *threads, size_t index);

/* threads/registers_x86_64.c */
enum status thread_read_registers(pid_t pid, struct user_regs_struct *ret_registers)
        __attribute__((warn_unused_result));
/* Of a main thread that has ended: it ends once more, by a call in the program's own code. `living` is
 * another thread of the process, as it was read. */
enum status thread_read_ended(pid_t pid, const struct user_regs_struct *living, struct snapimg_thread *thread,
                              struct user_regs_struct *ret_registers) __attribute__((warn_unused_result));
enum status thread_read_rseq(pid_t pid, struct snapimg_thread *thread) __attribute__((warn_unused_result));
/* xstate: XSTATE_ROOM bytes. What is in use is added to *features, *size grows to what is needed.
 * without_keys: protection keys (PKRU) are left out. */
enum status thread_read_xstate(pid_t pid, bool without_keys, uint8_t *xstate, uint64_t *features,
                               uint32_t *size) __attribute__((warn_unused_result));

#endif
