/* --embed: which files are given to the program for later. */
#ifndef TRACER_EMBEDS_H
#define TRACER_EMBEDS_H

#include "tracer/capture/snapshot.h"

/* Adds one, from the root on; refuses by name what can't be embedded: what isn't there, leads through a link,
 * has
 * `..`, belongs to the kernel, is neither file nor directory, or has something of that kind or too much in
 * it. */
enum status embeds_add(struct embeds *embeds, const char *value) __attribute__((warn_unused_result));
void embeds_free(struct embeds *embeds);

#endif
