/* Terminals that the program inherited. */
#ifndef RESTORE_FDS_STREAMS_H
#define RESTORE_FDS_STREAMS_H

#include "restore/base/signals_x86_64.h"

/* Before descriptors move: whether the caller's terminal has another size than the program's had. */
void streams_look(void);
/* If it has: the call that the first thread waits in is interrupted, as SIGWINCH would interrupt it. */
void streams_interrupt(struct kernel_sigcontext *registers);
/* When the descriptors are at their numbers: sets the modes that the program had set. */
void streams_commit(void);
/* When the program's signals are as they were, and blocked: sends SIGWINCH. */
void streams_tell(void);

#endif
