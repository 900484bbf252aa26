/* What clone(2) can make two processes share as if they were threads. */
#ifndef TRACER_FOLLOW_TREE_SHARING_H
#define TRACER_FOLLOW_TREE_SHARING_H

#include "tracer/follow/tree.h"

/* All stand. Notes in their records what each shares with its parent; refuses what no image holds. Where
 * kcmp(2) is denied, as containers do, a change made in the one is looked for in the others; nothing of it
 * stays. */
enum status tree_note_sharing(struct tree *tree) __attribute__((warn_unused_result));

#endif
