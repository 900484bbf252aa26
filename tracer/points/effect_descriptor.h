/* Whose a descriptor is, for the point `effect`: what a process does to its own nobody else notices. */
#ifndef TRACER_POINTS_EFFECT_DESCRIPTOR_H
#define TRACER_POINTS_EFFECT_DESCRIPTOR_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether the caller of snaptrace has a descriptor of that number, which the program began with. */
bool descriptor_was_inherited(int number);

/* Whether the number, an inherited one or that of a copy (stream_copies.h), still is something that was
 * inherited. Where the kernel can't compare, yes. */
bool descriptor_is_inherited(pid_t tid, int number);

/* Whether writing there is noticed by nobody but the process itself: a pipe, a pair of sockets, an eventfd or
 * a memfd that neither the caller nor another process of the tree has, or a device like /dev/null that the
 * program or its tree opened. In doubt it isn't. */
bool descriptor_is_own(pid_t tid, int number);

/* Whether reading there takes something from somebody: it is inherited, or a pipe or socket that isn't own.
 */
bool descriptor_is_shared(pid_t tid, int number);

#endif
