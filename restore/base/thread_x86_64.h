/* A second thread for the loader, by clone(2). */
#ifndef RESTORE_BASE_THREAD_X86_64_H
#define RESTORE_BASE_THREAD_X86_64_H

#include <stdint.h>

struct clone_args;

/* clone(2) for a thread that calls ((void (**)(void *))stack)[0] with the next word as its argument.
 * Returns its id or -errno. */
long thread_clone(uint64_t flags, uint64_t stack, uint32_t *parent_tid, uint64_t child_tid, uint64_t tls);
/* The same by clone3(2), which seccomp filters of containers often refuse. */
long thread_clone3(const struct clone_args *arguments, uint64_t size);

/* Starts function(argument) on the stack that ends at stack_top (16-aligned); the thread ends when it
 * returns. *tid is the thread's id until it has left its memory; then the kernel makes it 0 and wakes its
 * futex. Returns the id or -errno. */
long thread_start(uint64_t stack_top, volatile uint32_t *tid, void (*function)(void *), void *argument);

#endif
