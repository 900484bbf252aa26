/* --fallback: start the original program as exec would, instead of failing. */
#ifndef RESTORE_LOOK_FALLBACK_H
#define RESTORE_LOOK_FALLBACK_H

/* The image must be valid. Returns only when the program cannot be executed. */
/* Hidden, as its address is taken: the linker would make 32 bits of one in the GOT. */
__attribute__((visibility("hidden"))) void fallback_start(void);

#endif
