/* Who attaches, plants int3 in a process that is not snaptrace's, and is then killed by SIGKILL, would leave
 * that process to die of them. So what traces is a child, and what was started only waits for it. */
#ifndef TRACER_FOLLOW_APART_H
#define TRACER_FOLLOW_APART_H

#include "format/base/message.h"

/* Returns in the child, which gets that signal when the process that was started is gone. That one passes
 * signals on, stops and goes on with the child, and ends as it ends. in_background: the child has a process
 * group of its own, for a signal to the group may be SIGKILL (timeout(1)). Nothing is traced yet and there is
 * one thread. */
enum status apart_begin(bool in_background, int when_gone) __attribute__((warn_unused_result));

#endif
