/* What a process writes to, or starts, that nobody else has: the effect policy lets it. */
#ifndef TRACER_EFFECT_OWN_H
#define TRACER_EFFECT_OWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "call_rules.h"

/* Whether the descriptor, which was not inherited, leads to what only the process itself can have: a pipe or
 * a pair of sockets that it made, an eventfd, a timerfd, a memfd. False where it can't be known. */
bool effect_is_own(pid_t tid, int descriptor);

/* A socket that is like a descriptor of nothing as long as it has no name and no peer, and that images carry.
 */
bool effect_plain_socket(const struct call *call);

/* setsockopt: whether the option is about the socket itself; to join a group, say, is told to the network. */
bool effect_sets_socket(const struct call *call);

/* Whether pkey_alloc gives protection keys on this machine; where it gives none, asking has no effect. */
bool effect_gives_keys(void);

/* clone and clone3: whether what is to start is a thread. */
bool effect_starts_thread(pid_t tid, const struct call *call);

/* exit: whether it ends a thread only, of a process that goes on with its main thread. */
bool effect_ends_thread(pid_t tid);

#endif
