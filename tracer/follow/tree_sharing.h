/* What clone(2) can make two processes share as if they were threads, which no image holds. */
#ifndef TRACER_FOLLOW_TREE_SHARING_H
#define TRACER_FOLLOW_TREE_SHARING_H

#include "tracer/follow/tree.h"

/* All stand. Where kcmp(2) is denied, as containers do, a change made in the one is looked for in the others;
 * nothing of it stays. */
enum status tree_check_sharing(const struct tree *tree) __attribute__((warn_unused_result));

#endif
