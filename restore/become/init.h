/* Process 1 of the namespace that is made for the recorded IDs: it reaps; when it ends, so does all in it.
 * Where no namespace is made it is a guard: when the keeper is killed, it ends the program. */
#ifndef RESTORE_BECOME_INIT_H
#define RESTORE_BECOME_INIT_H

#include <stdbool.h>
#include <stdint.h>

/* Starts it, without waiting for it. All signals must be blocked. Returns a descriptor that the program
 * closes, and the keeper gives to init_await(). */
int init_start(bool in_namespace);
/* In the program, where init is a guard: whom it ends. */
void init_tell_program(uint32_t program);
/* In the keeper: when it returns, init hears of the keeper's end. */
void init_await(int ready);
/* In the program: /proc shows the namespace. */
void init_mount_proc(void);
/* In the caller, before it ends: the program has ended. Without that, its end is that of all in the
 * namespace. */
void init_tell_end(void);

#endif
